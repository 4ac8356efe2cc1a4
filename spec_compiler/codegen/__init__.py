"""A lowered graph printed as standalone PyTorch: the same fx graph and module expressions that run."""

from spec_compiler.codegen.emit import emit as emit
