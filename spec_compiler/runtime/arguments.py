"""What `compile` takes, sorted out: names to objects, and lists and mappings to one entry an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from spec_compiler.diagnostics import (
    BAD_TRAINING,
    UNKNOWN_OUTPUT,
    Diagnostic,
    SpecError,
    did_you_mean,
    show,
)
from spec_compiler.specs import registry

Structure = str | Sequence[Any] | Mapping[str, Any]
"""A model's outputs: names, nested in lists and dicts as the model returns them."""


class Entry(NamedTuple):
    """What is given for one output."""

    output: str
    path: tuple[str | int, ...]
    value: Any


def bad(argument: str, message: str, help: str | None = None) -> SpecError:
    """A fault in an argument of `compile`."""
    return SpecError(Diagnostic(BAD_TRAINING, f"{argument}: {message}", help=help))


def spread(
    argument: str, kind: str | None, given: Any, outputs: Structure, path: tuple[str | int, ...] = ()
) -> list[Entry]:
    """What `given` says for each output, in their order; None where it says nothing.

    Lists and mappings go with those of `outputs`, a mapping also with the names of outputs in a list; anything else
    stands for every output. Raises SpecError for a name that is no output's, and for a list of another length.
    """
    mapping = isinstance(given, Mapping) and not _states_one(given, kind)
    if isinstance(outputs, str):
        if mapping:
            _refuse_unknown(argument, given, [outputs])
            given = given.get(outputs)
        return [Entry(outputs, path, given)]
    keys: list[Any] = list(outputs) if isinstance(outputs, Mapping) else list(range(len(outputs)))
    children = list(outputs.values()) if isinstance(outputs, Mapping) else list(outputs)
    if mapping:
        names = keys if isinstance(outputs, Mapping) else [o if isinstance(o, str) else "" for o in outputs]
        _refuse_unknown(argument, given, names)
        given = [given.get(name) for name in names]
    elif isinstance(given, (list, tuple)):
        if len(given) != len(children):
            raise bad(
                argument,
                f"a list of {len(given)} for {len(children)} outputs",
                "give one entry an output, None where there is none, or a mapping by output name",
            )
    else:
        given = [given] * len(children)
    return [
        entry
        for key, child, value in zip(keys, children, given, strict=True)
        for entry in spread(argument, kind, value, child, (*path, key))
    ]


def _states_one(value: Mapping[Any, Any], kind: str | None) -> bool:
    """Whether a mapping states one object of `kind`, and not one an output."""
    if isinstance(value.get("class_name"), str):
        return True
    only = next(iter(value)) if len(value) == 1 else None
    return kind is not None and isinstance(only, str) and registry.find(kind, only) is not None


def _refuse_unknown(argument: str, given: Mapping[Any, Any], names: Sequence[Any]) -> None:
    for name in given:
        if name not in names:
            known = ", ".join(show(known) for known in names)
            message = f"{argument}: the model has no output {show(name)}; its outputs: {known}"
            raise SpecError(Diagnostic(UNKNOWN_OUTPUT, message, help=did_you_mean(name, names)))


def shape_kind(y_true: Any, y_pred: Any) -> str:
    """`binary`, `sparse` or `categorical`: what targets and predictions of these shapes mean, by Keras's rule."""
    if y_pred.shape[-1] == 1:
        return "binary"
    if y_true.dim() < y_pred.dim() or (y_true.shape[-1] == 1 and y_pred.shape[-1] > 1):
        return "sparse"
    return "categorical"
