"""Modules and functions that stock torch lacks. They import torch and nothing of ours: `emit` copies them out."""
