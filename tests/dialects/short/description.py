"""A model spec as text: every layer with its arguments, every call with what it takes."""

from __future__ import annotations

from typing import Any

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import FunctionalSpec, ModelSpec, Ref, SequentialSpec, map_refs


def describe(spec: ModelSpec) -> str:
    lines = [f"{type(spec).__name__} {spec.name}" + ("" if spec.trainable else " (frozen)")]
    if isinstance(spec, SequentialSpec):
        lines += [_indented(_layer(layer)) for layer in spec.layers]
    if isinstance(spec, FunctionalSpec):
        for placed in spec.placed:
            lines.append(_indented(_layer(placed.layer)))
            for call in placed.calls:
                arguments = [*map(_text, call.args), *(f"{key}={_text(value)}" for key, value in call.kwargs.items())]
                lines.append(f"    ({', '.join(arguments)})")
        lines.append(f"  {_text(spec.inputs)} -> {_text(spec.outputs)}")
    if spec.training is not None:
        lines.append(f"  {spec.training!r}")
    return "\n".join(lines)


def _layer(layer: LayerSpec) -> str:
    return describe(layer) if isinstance(layer, ModelSpec) else repr(layer)


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())


def _text(structure: Any) -> str:
    return str(map_refs(lambda ref: _Name(_ref(ref)), structure))


def _ref(ref: Ref) -> str:
    node = f"#{ref.node}" if ref.node else ""
    return ref.layer + node + (f"[{ref.tensor}]" if ref.tensor else "")


class _Name(str):
    __slots__ = ()
    __repr__ = str.__str__
