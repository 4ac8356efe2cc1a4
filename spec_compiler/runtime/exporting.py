"""A model's computation in a file of torch's own: it is run where this package is not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.export import Dim

from spec_compiler.ir import Value
from spec_compiler.runtime.step import device_of
from spec_compiler.writing import write_atomically

if TYPE_CHECKING:
    from spec_compiler.runtime.model import Model

# Two, because torch takes an axis of one for fixed; more, so that most windows and kernels fit.
_BATCH, _LENGTH = 2, 32


def export(model: Model, filepath: str | Path, format: str = "torch") -> None:
    """Write the module as `torch.export` records it; axes that the model leaves open stay so where torch can keep them.

    It cannot for the steps of recurrent layers, whose number is then 32.
    """
    path = Path(filepath)
    if format != "torch" or path.suffix != ".pt2":
        raise ValueError(f"format='torch' and a path that ends in .pt2 are what there is, got {format!r} and '{path}'")
    module = model.module.eval()
    inputs = tuple(_example(value, device_of(module)) for value in model.graph.inputs)
    shapes = tuple({axis: Dim.AUTO for axis, size in enumerate(_shape(v)) if size is None} for v in model.graph.inputs)
    with torch.no_grad():  # what is for gradients alone is left out
        program = torch.export.export(module, inputs, dynamic_shapes=shapes)
    written = io.BytesIO()
    torch.export.save(program, written)
    write_atomically(path, written.getvalue())


def _shape(value: Value) -> tuple[int | None, ...]:
    return value.shape or (None,)


def _example(value: Value, device: torch.device | None) -> Tensor:
    open_sizes = (_BATCH, *[_LENGTH] * len(_shape(value)))
    sizes = [size or open_size for size, open_size in zip(_shape(value), open_sizes, strict=False)]
    return torch.zeros(sizes, dtype=getattr(torch, value.dtype), device=device)
