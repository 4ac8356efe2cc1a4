"""Functional models of a Keras file: layers, the calls made of them, and whether each reference leads somewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from spec_compiler.diagnostics import (
    MISSING_REFERENCE,
    MISSING_SECTION,
    WRONG_INPUT_COUNT,
    Path,
    Reporter,
    did_you_mean,
    show,
)
from spec_compiler.dialects.calls import CallReader, is_recurrent, lowest_calls
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import CallSpec, Placed, Ref, map_refs, refs_in

_TENSOR_ARGUMENTS = ("initial_state", "value", "key", "mask", "attention_mask")


@dataclass(slots=True)
class Entry:
    """A layer of a functional model as far as it could be read."""

    name: str
    layer: LayerSpec | None
    """None when a fault was reported."""
    kind: str
    """`input`, `layer`, `operation`, `sequential` or `functional`."""
    cls: type[LayerSpec] | None
    nodes: Any
    """What stands as `inbound_nodes`."""
    path: Path
    calls: list[CallSpec | None] = field(default_factory=list)
    """Those of `nodes`; None for each that is faulty."""


class Wiring(NamedTuple):
    """The calls of a functional model."""

    placed: list[Placed]
    inputs: Any
    outputs: Any


def wire(entries: list[Entry], config: dict[str, Any], path: Path, reporter: Reporter) -> Wiring | None:
    """The calls, inputs and outputs of a model whose arguments are `config`; None when a fault was reported.

    References are checked whether or not the layers they name could be read.
    """
    before = reporter.error_count
    reader = CallReader(reporter)
    for entry in entries:
        entry.calls = reader.calls(entry.nodes, (*entry.path, "inbound_nodes"), entry.cls)
    ends: dict[str, Any] = {}
    for key in ("input_layers", "output_layers"):
        if key not in config:
            reporter.report(MISSING_SECTION, f"a functional model without `{key}`", path)
        ends[key] = reader.references(config[key], (*path, key)) if config.get(key) is not None else None
    _count_from_zero(entries, ends)
    counts = {entry.name: 1 if entry.kind == "input" else len(entry.calls) for entry in entries}
    for entry in entries:
        for call in entry.calls:
            if call is not None:
                _check((call.args, call.kwargs), counts, call.path, reporter)
                if entry.kind == "layer" and entry.layer is not None:
                    _check_arguments(entry.layer, call, reporter)
    for key, structure in ends.items():
        _check(structure, counts, (*path, key), reporter)
    if reporter.error_count > before or any(entry.layer is None for entry in entries):
        return None
    placed = [Placed(entry.layer, [c for c in entry.calls if c]) for entry in entries if entry.layer is not None]
    return Wiring(placed, ends["input_layers"], ends["output_layers"])


def _count_from_zero(entries: list[Entry], ends: dict[str, Any]) -> None:
    """Number the calls of nested models from 0: Keras counts from 1 where the model's own graph was its first call."""
    nested = {entry.name for entry in entries if entry.kind in ("sequential", "functional")}
    if not nested:
        return
    made = [call for entry in entries for call in entry.calls if call is not None]
    if any(isinstance(node, dict) for entry in entries for node in _list(entry.nodes)):
        # Keras 3 does so in the model's inputs and outputs alone.
        functional = {entry.name for entry in entries if entry.kind == "functional"}
        lower = _lowering(functional)
    else:
        lowest = lowest_calls([(call.args, call.kwargs) for call in made] + list(ends.values()))
        lower = _lowering({name for name in nested if lowest.get(name, 0) > 0})
        for call in made:
            call.args, call.kwargs = map_refs(lower, call.args), map_refs(lower, call.kwargs)
    for key, structure in ends.items():
        ends[key] = map_refs(lower, structure)


def _lowering(names: set[str]) -> Callable[[Ref], Ref]:
    return lambda ref: ref._replace(node=ref.node - 1) if ref.layer in names and ref.node > 0 else ref


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _check_arguments(layer: LayerSpec, call: CallSpec, reporter: Reporter) -> None:
    """Report what a layer cannot be called on: anything but tensors, and lists of them where it takes lists."""
    named = [call.kwargs[name] for name in _TENSOR_ARGUMENTS if name in call.kwargs]
    if layer.takes_list:
        # Keras 3.0 to 3.9 write a mask for each input, null for one that has none.
        named = [[ref for ref in one if ref is not None] if isinstance(one, list) else one for one in named]
    if is_recurrent(type(layer)):
        # Cells on top of each other have a list of states each.
        named = [list(refs_in(one)) if isinstance(one, list) and all(map(_is_tensors, one)) else one for one in named]
    if call.args and _is_tensor(call.args[0]) and all(map(_is_tensors, (*call.args, *named))):
        return
    if layer.takes_list and call.args and isinstance(call.args[0], list):
        if call.args[0] and all(map(_is_tensor, call.args[0])) and all(map(_is_tensors, named)):
            return
    shown = show(map_refs(lambda ref: ref.layer, [*call.args, *named]))
    what = "a list of tensors" if layer.takes_list else "a tensor"
    message = f"layer '{layer.name}' ({type(layer).__name__}) is called on {what}, not on {shown}"
    reporter.report(WRONG_INPUT_COUNT, message, call.path)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Ref)


def _is_tensors(value: Any) -> bool:
    """Whether the value is a tensor, a list of them, or nothing."""
    if value is None or isinstance(value, Ref):
        return True
    return isinstance(value, (list, tuple)) and all(isinstance(one, Ref) for one in value)


def _check(structure: Any, counts: dict[str, int], path: Path, reporter: Reporter) -> None:
    for ref in refs_in(structure):
        count = counts.get(ref.layer)
        if count is None:
            message = f"there is no layer {show(ref.layer)} in the model"
            reporter.report(MISSING_REFERENCE, message, path, help=partial(did_you_mean, ref.layer, counts))
        elif not 0 <= ref.node < count:
            times = "never called" if not count else f"called {count} time{'s' * (count > 1)}"
            message = f"layer {show(ref.layer)} is {times}, so there is no call {ref.node} (they count from 0)"
            reporter.report(MISSING_REFERENCE, message, path)
        elif ref.tensor < 0:
            reporter.report(MISSING_REFERENCE, f"layer {show(ref.layer)} has no output {ref.tensor}", path)
