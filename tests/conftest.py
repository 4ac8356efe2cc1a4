"""Settings of the whole suite: Keras, the oracle, computes on torch; torch on one thread a test process."""

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
"""Real model files and reference numbers, beside a developer's checkout; tests that read it skip where it is absent."""
