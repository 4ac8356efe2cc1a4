"""What a short-form document says, names resolved, nothing unfolded yet: blocks, models, and their items."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from spec_compiler.diagnostics import BAD_EXPRESSION, INVALID_VALUE, UNSAFE_PATH, Path, Reporter, did_you_mean, show
from spec_compiler.dialects.short import expressions
from spec_compiler.dialects.short.expressions import Expression, ExpressionError
from spec_compiler.specs.base import LayerSpec


class Source(NamedTuple):
    """A tensor that an item takes: what stands in `slot` of its scope, or output `tensor` of it."""

    slot: int
    tensor: int | None
    path: Path


UNKNOWN = Source(-1, None, ())
"""What a reference with a reported fault stands for."""

Sources = Source | list["Source | list[Source]"]
"""What `from` states: one source, or a list of them, or of lists of them."""


@dataclass(slots=True, eq=False)
class Block:
    """A recipe for a row of layers, with parameters."""

    name: str
    path: Path
    parameters: dict[str, Any]
    """Name -> default; None: must be given."""
    items: list[Item] = field(default_factory=list)


class Input(NamedTuple):
    """One input of a model."""

    name: str
    arguments: dict[str, Any] | None
    """Those of its InputLayer; None where a fault was reported."""
    path: Path


@dataclass(slots=True, eq=False)
class ModelDefinition:
    """The document's own model, or one of its `models`."""

    name: str | None
    path: Path
    inputs: list[Input] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    outputs: Any = None
    """A Source, or a list or dict of Sources; None: the last item."""
    trainable: bool | None = None
    """None: as the model it stands in."""


Target = type[LayerSpec] | Block | ModelDefinition | int
"""What an item places: a layer, a block, a nested model, or (`call`) once more the layer in a slot."""


@dataclass(slots=True)
class Item:
    """One entry of `layers`."""

    path: Path
    label: str
    """The class key: what an unnamed item can be referred to by."""
    target: Target | None
    """None where a fault was reported."""
    arguments: dict[str, Any]
    arguments_path: Path
    name: str | None = None
    repeat: int | Expression = 1
    sources: Sources | None = None
    """None: the item before."""
    keywords: dict[str, Any] = field(default_factory=dict)
    """The call's keyword arguments, with Sources in them."""


def template(value: Any, path: Path, parameters: Collection[str], reporter: Reporter) -> Any:
    """`value` with each `${…}` string in it parsed; faulty ones are reported."""
    if expressions.is_expression(value):
        try:
            return expressions.parse(value, path, parameters)
        except ExpressionError as error:
            reporter.report(BAD_EXPRESSION, f"{show(value)}: {error}", path, help=error.help)
            return Expression(value, path, ())
    if isinstance(value, dict):
        return {key: template(item, (*path, key), parameters, reporter) for key, item in value.items()}
    if isinstance(value, list):
        return [template(item, (*path, i), parameters, reporter) for i, item in enumerate(value)]
    return value


def fill(value: Any, parameters: dict[str, Any], resolve: Callable[[Source], Any] | None = None) -> Any:
    """A template's value for these parameters, and `resolve` of each Source in it.

    Raises ExpressionError with the faulty Expression as its `expression`.
    """
    if isinstance(value, Expression):
        try:
            return value.evaluate(parameters)
        except ExpressionError as error:
            error.expression = value
            raise
    if isinstance(value, Source):
        assert resolve is not None  # only a call's arguments hold sources
        return resolve(value)
    if isinstance(value, dict):
        return {key: fill(item, parameters, resolve) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, parameters, resolve) for item in value]
    return value


def checked_name(value: Any, path: Path, what: str, reporter: Reporter) -> str | None:
    """`value` if it can be a name, else None and a report."""
    if not isinstance(value, str) or not value.strip():
        reporter.report(INVALID_VALUE, f"{what}: expected a name, got {show(value)}", path)
        return None
    if expressions.is_expression(value):
        reporter.report(INVALID_VALUE, f"{what} {show(value)}: a name is written out, never computed", path)
        return None
    if "\\" in value or ".." in value:
        reporter.report(UNSAFE_PATH, f"{what} {show(value)} has '..' or '\\' in it, which no name may", path)
        return None
    return value


def mapping(value: Any, path: Path, what: str, reporter: Reporter, example: str) -> dict[Any, Any]:
    """`value` if it is a mapping, {} for null; else {} and a report."""
    if isinstance(value, dict):
        return value
    if value is not None:
        reporter.report(INVALID_VALUE, f"{what}: expected a mapping, got {show(value)}", path, help=f"write {example}")
    return {}


def any_of(name: str, known: list[str], introduction: str) -> str:
    """Help for a name that is not known: the nearest one that is, or else the first few."""
    return did_you_mean(name, known) or f"{introduction} {show(known)}"
