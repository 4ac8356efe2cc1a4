"""Sequential models that begin with a `Merge` of others, as Keras 0 and 1 had them: read as graphs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from spec_compiler.diagnostics import INVALID_VALUE, NO_INPUT, Path, Reporter, show
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref, SequentialSpec, refs_in


def starts_with_merge(class_name: str, config: Any) -> bool:
    """Whether a Sequential's first layer, of this class and these arguments, merges other models."""
    return class_name == "Merge" and isinstance(config, dict) and bool(config.get("layers"))


def join(branches: list[LayerSpec], layers: list[LayerSpec], path: Path, reporter: Reporter) -> FunctionalSpec | None:
    """The graph of the branches' layers, their outputs merged by the first of `layers`, the others following it.

    The branches' own layers become the model's, as they were in the weight files of the time. None when a branch
    does not say what goes into it, which is reported at `path`.
    """
    spec = FunctionalSpec()
    ends: list[Any] = []
    inputs: list[Ref] = []
    for branch in branches:
        if isinstance(branch, SequentialSpec):
            if not (branch.layers and isinstance(branch.layers[0], InputLayer)):
                message = f"the branch {show(branch.name)} does not state its input's shape"
                reporter.report(NO_INPUT, message, branch.path)
                return None
            spec.placed += _chain(branch.layers)
            inputs.append(Ref(str(branch.layers[0].name)))
            ends.append(Ref(str(branch.layers[-1].name)))
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
