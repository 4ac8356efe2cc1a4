"""Sequential models that begin with a `Merge` of others, as Keras 0 and 1 had them: read as graphs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from spec_compiler.diagnostics import INVALID_VALUE, NO_INPUT, Path, show
from spec_compiler.dialects.layers import LayerReader
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref, SequentialSpec, refs_in
from spec_compiler.specs.shapes import ShapeError


def starts_with_merge(class_name: str, config: Any) -> bool:
    """Whether a Sequential's first layer, of this class and these arguments, merges other models."""
    return class_name == "Merge" and isinstance(config, dict) and bool(config.get("layers"))


def join(branches: list[LayerSpec], layers: list[LayerSpec], path: Path, reader: LayerReader) -> FunctionalSpec | None:
    """The graph of the branches' layers, their outputs merged by the first of `layers`, the others following it.

    The branches' own layers become the model's, as they were in the weight files of the time. None when a branch
    does not say what goes into it, which is reported at `path`. Masks end with the branches, as they did then.
    """
    reporter = reader.reporter
    spec = FunctionalSpec()
    ends: list[Any] = []
    inputs: list[Ref] = []
    for branch in branches:
        if isinstance(branch, SequentialSpec):
            if not (branch.layers and isinstance(branch.layers[0], InputLayer)):
                message = f"the branch {show(branch.name)} does not state its input's shape"
                reporter.report(NO_INPUT, message, branch.path)
                return None
            row = [*branch.layers, *_mask_end(branch.layers, reader)]
            spec.placed += _chain(row)
            inputs.append(Ref(str(row[0].name)))
            ends.append(Ref(str(row[-1].name)))
        elif isinstance(branch, FunctionalSpec):
            spec.placed += branch.placed
            inputs += refs_in(branch.inputs)
            ends += refs_in(branch.outputs)
        else:
            reporter.report(INVALID_VALUE, f"Merge joins models, not {type(branch).__name__}", branch.path or path)
            return None
    merge, *others = layers
    spec.placed.append(Placed(merge, [CallSpec((ends,), {}, merge.path)]))
    spec.placed += _chain(layers)[1:]
    spec.inputs = inputs
    spec.outputs = Ref(str((others or [merge])[-1].name))
    return spec


def _chain(layers: list[LayerSpec]) -> list[Placed]:
    """The layers, each called on the output of the one before; the first not at all."""
    calls: list[list[CallSpec]] = [[]]
    calls += [[CallSpec((Ref(str(before.name)),), {}, layer.path)] for before, layer in pairwise(layers)]
    return [Placed(layer, made) for layer, made in zip(layers, calls, strict=True)]


def _mask_end(layers: list[LayerSpec], reader: LayerReader) -> list[LayerSpec]:
    """A layer that passes on the data of `layers` and not their mask; none where they give no mask.

    What a model merged in Keras 0 and 1 had no mask: that of its last layer was not asked for.
    """
    if not _gives_mask(layers, False):
        return []
    from spec_compiler.specs.layers.reshaping import Permute

    # Masks are of steps: the output of a layer whose shape is not to be told has features behind them, and no more.
    rank = _rank(layers) or 3
    return [Permute(dims=tuple(range(1, rank)), name=reader.new_name(f"{layers[-1].name}_unmasked"))]


def _gives_mask(layers: list[LayerSpec], masked: bool) -> bool:
    for layer in layers:
        if isinstance(layer, SequentialSpec):
            masked = _gives_mask(layer.layers, masked)
        else:
            masked = layer.nested_model is None and layer.output_mask((masked,)) != "none"
    return masked


def _rank(layers: list[LayerSpec]) -> int | None:
    shape: Any = None
    try:
        for layer in layers:
            shape = layer.batch_shape if isinstance(layer, InputLayer) else layer.infer_shape(shape)
    except (ShapeError, NotImplementedError):
        return None
    return len(shape) if isinstance(shape, tuple) else None
