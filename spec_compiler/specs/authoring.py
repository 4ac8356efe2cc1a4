"""Writing specs in Python: arguments by position, symbolic tensors, and the record of who called what.

Nothing here needs torch: a functional model is stated, checked and printed before it is ever built.
"""

from __future__ import annotations

import inspect
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from spec_compiler.diagnostics import Reporter, SpecError
from spec_compiler.specs.contract import check_shapes
from spec_compiler.specs.operators import Operators
from spec_compiler.specs.registry import snake_case
from spec_compiler.specs.shapes import Shape, ShapeError, TensorType

if TYPE_CHECKING:
    from spec_compiler.specs.base import LayerSpec, SpecObject

_BASE_FIELDS = ("name", "trainable", "dtype")
# Keras's place for an argument that is taken, and may be nothing but None.
_NO_FIELD = FieldInfo(default=None)
_SHAPE_ARGUMENTS = ("input_shape", "batch_input_shape", "input_dim")
_counters: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)


class SymbolicTensor(Operators):
    """A tensor of a functional model before there is data: what `Input()` and a layer's call return."""

    __slots__ = ("dtype", "layer", "name", "node", "shape", "tensor")

    def __init__(self, shape: Shape, dtype: str, layer: LayerSpec, node: int, tensor: int) -> None:
        self.shape = shape
        self.dtype = dtype
        self.layer = layer
        self.node = node
        self.tensor = tensor
        self.name = unique_name("keras_tensor")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse=False, name={self.name}>"


class LayerCall:
    """One call of a layer: symbolic tensors, possibly nested in lists, tuples and dicts, and plain arguments."""

    __slots__ = ("args", "kwargs", "outputs")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.outputs: Any = None


def unique_name(stem: str) -> str:
    """`dense`, then `dense_1`, `dense_2`, …, as Keras counts within a process."""
    n = next(_counters[stem])
    return stem if n == 0 else f"{stem}_{n}"


def clear_names() -> None:
    """Start counting names anew, as `keras.utils.clear_session` does."""
    _counters.clear()


def construct(spec: SpecObject, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Validate the arguments of a class called in Python; raises SpecError naming every fault."""
    cls = type(spec)
    if not (args or kwargs) and cls.trusts_defaults and not any(f.is_required() for f in cls.model_fields.values()):
        _take_defaults(spec)
        return
    fields = _by_position(cls, args)
    shape = _pop_input_shape(cls, kwargs)
    both = fields.keys() & kwargs.keys()
    if both:
        raise TypeError(f"{cls.__name__}() got multiple values for argument '{both.pop()}'")
    with faults_said(cls):
        BaseModel.__init__(spec, **fields, **kwargs)
    if spec.kind == "layer":
        if shape is not None:
            spec._batch_input_shape = shape  # type: ignore[attr-defined]
        if spec.name is None:  # type: ignore[attr-defined]
            # Written past the assignment's validation: a name made here is not one that was given.
            spec.__dict__["name"] = unique_name(snake_case(spec.class_name))


@contextmanager
def faults_said(cls: type[SpecObject]) -> Iterator[None]:
    """Raise SpecError, naming every fault, where arguments of `cls` given in Python are not valid."""
    from spec_compiler.specs.faults import report_faults

    try:
        yield
    except ValidationError as error:
        reporter = Reporter()
        report_faults(error, cls, (), reporter)
        raise SpecError([replace(fault, path=()) for fault in reporter.diagnostics]) from None


def _take_defaults(spec: SpecObject) -> None:
    """Make `spec` of its defaults without validating them: as defaults of layers, values stand by the dozen at import."""
    made = type(spec).model_construct()
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
        object.__setattr__(spec, slot, getattr(made, slot))


def _by_position(cls: type[SpecObject], args: tuple[Any, ...]) -> dict[str, Any]:
    if not args:
        return {}
    order = _positions(cls)
    if len(args) > len(order):
        raise TypeError(f"{cls.__name__}() takes {len(order)} positional arguments but {len(args)} were given")
    return dict(zip(order, args, strict=False))


def _positions(cls: type[SpecObject]) -> tuple[str, ...]:
    base = _BASE_FIELDS if cls.kind == "layer" else ()
    return cls.positional or tuple(name for name in cls.model_fields if name not in base)


def signature(cls: type[SpecObject]) -> inspect.Signature:
    """The arguments of a spec class: those that may be given by position in their order, then the others."""
    order = _positions(cls)
    parameters = []
    for name in dict.fromkeys([*order, *cls.model_fields]):
        field = cls.model_fields.get(name, _NO_FIELD)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if name in order else inspect.Parameter.KEYWORD_ONLY
        default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
        parameters.append(inspect.Parameter(name, kind, default=default))
    return inspect.Signature(parameters)


def _pop_input_shape(cls: type[SpecObject], kwargs: dict[str, Any]) -> Shape | None:
    """What Keras takes of any first layer: `input_shape`, `batch_input_shape`, `input_dim` (a rank-1 input's length)."""
    given = {key: kwargs.pop(key) for key in _SHAPE_ARGUMENTS if key in kwargs and key not in cls.model_fields}
    if "batch_input_shape" in given:
        return tuple(given["batch_input_shape"])
    if "input_shape" in given:
        return (None, *given["input_shape"])
    if "input_dim" in given:
        return (None, given["input_dim"])
    return None


def shape_arguments(layer: LayerSpec, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of a call's keyword arguments, those that `infer_shape` is given.

    Every layer takes `mask` and `training`; a layer that looks at their shapes names them in its `infer_shape`.
    """
    own = _parameters(type(layer))
    return {key: arg for key, arg in kwargs.items() if key not in ("mask", "training") or key in own}


@cache
def _parameters(cls: type[LayerSpec]) -> frozenset[str]:
    return frozenset(inspect.signature(cls.infer_shape).parameters)


def call(layer: LayerSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Record a call of `layer` and return its symbolic outputs; raises SpecError when the shapes do not fit."""
    from spec_compiler.diagnostics import Diagnostic

    if not any(True for _ in symbolic_in((args, kwargs))):
        raise TypeError(
            f"layer '{layer.name}' was called on {type(args[0]).__name__ if args else 'nothing'}: a layer takes symbolic "
            "tensors (from Input() or another layer); to compute with arrays, put it in a Model and call predict()"
        )
    if layer.nested_model is not None:
        from spec_compiler.runtime.symbols import call_symbolically

        return call_symbolically(layer, args, kwargs)
    shapes = map_symbolic(lambda t: t.shape, (args, kwargs))
    dtype: str | list[str]
    try:
        types = layer.output_types(*map_symbolic(lambda t: TensorType(t.shape, t.dtype), (args, kwargs)))
        if types is None:
            dtype = layer.output_dtype(*(t.dtype for t in symbolic_in((args, kwargs))))
            out: Any = layer.infer_shape(*shapes[0], **shape_arguments(layer, shapes[1]))
            check_shapes(layer, out)
        elif isinstance(types, list):
            out, dtype = [one.shape for one in types], [one.dtype for one in types]
        else:
            out, dtype = types.shape, types.dtype
    except ShapeError as error:
        raise SpecError([Diagnostic(error.code, f"layer '{layer.name}': {error}", help=error.help)]) from None
    return record(layer, LayerCall(args, kwargs), out, dtype)


def record(layer: LayerSpec, made: LayerCall, out: Any, dtype: str | list[str]) -> Any:
    """Add the call to the layer and make its output tensors; a tuple of shapes' axes is one, a list several."""
    node = len(layer._calls)
    layer._calls.append(made)
    if isinstance(out, list):
        dtypes = [dtype] * len(out) if isinstance(dtype, str) else dtype
        made.outputs = [SymbolicTensor(*one, layer, node, i) for i, one in enumerate(zip(out, dtypes, strict=True))]
    else:
        made.outputs = SymbolicTensor(out, dtype if isinstance(dtype, str) else dtype[0], layer, node, 0)
    return made.outputs


def map_symbolic(f: Callable[[SymbolicTensor], Any], structure: Any) -> Any:
    """`structure` with `f` applied to every symbolic tensor in its lists, tuples and dicts."""
    if isinstance(structure, SymbolicTensor):
        return f(structure)
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_symbolic(f, item) for item in structure)
    if isinstance(structure, dict):
        return {key: map_symbolic(f, item) for key, item in structure.items()}
    return structure


def symbolic_in(structure: Any) -> Any:
    """Every symbolic tensor in `structure`, in order."""
    if isinstance(structure, SymbolicTensor):
        yield structure
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from symbolic_in(item)
    elif isinstance(structure, dict):
        for item in structure.values():
            yield from symbolic_in(item)
