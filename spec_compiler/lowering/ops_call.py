"""What the lowering of an operation is given: its call, with the types of what it is called on; and the table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch

from spec_compiler.ir import Value
from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy, node_of
from spec_compiler.nn.ops import Constant
from spec_compiler.specs.layers.ops import OpSpec
from spec_compiler.specs.layers.ops_types import Array
from spec_compiler.specs.shapes import TensorType

F = TypeVar("F", bound=Callable[..., Any])

_lowerings: dict[str, Callable[..., Any]] = {}
_constants: set[str] = set()


def lowering(function: F) -> F:
    """Register the lowering of the operation that the function is named after.

    It is called with the OpCall and what the operation's rule is called with: proxies, numbers, settings. Lists of
    proxies stand for lists of tensors; constants are proxies too.
    """
    _lowerings[function.__name__] = function
    return function


def wrap(names: str, by: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put `by(lowering)` in the place of these operations' lowerings."""
    for name in names.split():
        _lowerings[name] = by(_lowerings[name])


def with_constants(names: str) -> None:
    """Give the lowerings constants as they are, as Arrays, for these arguments: `Take.indices`."""
    _constants.update(names.split())


def lower_each(functions: Mapping[str, Any], by: Callable[..., Any]) -> None:
    """Register, for each name and what is said of it (a function of torch's), `by(op, said, *inputs, **settings)`."""
    for name, said in functions.items():
        _lowerings[name] = _bound(by, said)


def _bound(by: Callable[..., Any], said: Any) -> Callable[..., Any]:
    return lambda op, *inputs, **settings: by(op, said, *inputs, **settings)


def find(name: str) -> Callable[..., Any]:
    """The lowering of the operation `name`."""
    return _lowerings[name]


def names() -> set[str]:
    """Every operation with a lowering."""
    return set(_lowerings)


def torch_dtype(name: str) -> torch.dtype:
    """torch's dtype of that name."""
    return getattr(torch, name)  # type: ignore[no-any-return]


class OpCall:
    """One call of an operation while it is lowered. Axes are Keras's; `axis` and `axes` tell where torch has them."""

    def __init__(self, call: Call, layer: OpSpec) -> None:
        self.call = call
        self.name = layer.op
        self.outputs = [TensorType(value.shape or (), value.dtype) for value in call.node.outputs]
        self._types: dict[Any, TensorType] = {}
        self._count = 0

    @property
    def dtype(self) -> str:
        """Dtype of the first output."""
        return self.outputs[0].dtype

    # What it is called on.

    def proxies(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The bound inputs with a proxy in each tensor's place, and in each constant's unless the lowering takes those."""
        return {key: self._proxied(value, f"{self.name}.{key}" in _constants) for key, value in inputs.items()}

    def _proxied(self, value: Any, with_constants: bool) -> Any:
        if isinstance(value, Value):
            return self.typed(self.call.proxy(value), TensorType(value.shape or (), value.dtype))
        if isinstance(value, Array):
            return value if with_constants else self.constant(value)
        if isinstance(value, (list, tuple)):
            return type(value)(self._proxied(item, with_constants) for item in value)
        return value

    def typed(self, x: Proxy, of: TensorType) -> Proxy:
        """`x`, remembered to be of that type."""
        self._types[node_of(x)] = of
        return x

    def type(self, x: Any) -> TensorType:
        """Type of a tensor, a constant, or a number."""
        if isinstance(x, Proxy):
            return self._types[node_of(x)]
        if isinstance(x, Array):
            return TensorType(x.shape, x.dtype)
        return TensorType((), "bool" if isinstance(x, bool) else "int" if isinstance(x, int) else "float")

    def rank(self, x: Proxy) -> int:
        """Number of axes of `x`."""
        return len(self.type(x).shape)

    def constant(self, array: Array) -> Proxy:
        """A constant as a tensor, in the order of axes that the inputs have."""
        values, shape = array.values, array.shape
        if self.call.channels_first and shape:
            # Elementwise operations alone come here: the constant is stretched, so it is permuted as they are.
            rank = len(self.call.shapes[0])
            whole = torch.tensor(values, dtype=torch.float64, device="cpu").reshape((1,) * (rank - len(shape)) + shape)
            values = whole.permute(0, rank - 1, *range(1, rank - 1)).tolist()
            shape = (1,) * (rank - len(shape)) + shape
        dtype: dict[str, Any] = {} if array.dtype == "float32" else {"dtype": torch_dtype(array.dtype)}
        expr = ModuleExpr(Constant, _listed(values), **dtype)
        _, _, number = self.call.node.name.rpartition("#")
        name = "_".join(
            ["constant", *([number] if number.isdigit() else []), *([str(self._count)] if self._count else [])]
        )
        self._count += 1
        return self.typed(self.call.module(expr, (), name)(), TensorType(shape, array.dtype))

    def tensor(self, x: Any, like: Proxy, dtype: str | None = None) -> Proxy:
        """A number as a tensor without axes, on the device of `like`; a tensor stays itself."""
        if isinstance(x, Proxy):
            return x
        of = dtype or self.type(like).dtype
        stated: dict[str, Any] = {} if of == self.type(like).dtype else {"dtype": torch_dtype(of)}
        return self.typed(like.new_full((), x, **stated), TensorType((), of))

    # Where torch has what Keras speaks of.

    def axis(self, axis: int) -> int:
        """Where torch has Keras's `axis` of the inputs."""
        return self.call.axis(axis)

    def axes(self, axes: int | Sequence[int] | None) -> Any:
        """The same of several; None stays None."""
        if axes is None or isinstance(axes, int):
            return None if axes is None else self.axis(axes)
        return tuple(self.axis(axis) for axis in axes)

    # Dtypes.

    def cast(self, x: Proxy, dtype: str) -> Proxy:
        """`x` as `dtype`, itself where it is so already."""
        of = self.type(x)
        if of.dtype == dtype:
            return x
        return self.typed(x.to(torch_dtype(dtype)), TensorType(of.shape, dtype))

    def as_float(self, x: Proxy) -> Proxy:
        """`x` as floating-point numbers: float32 for integers."""
        dtype = self.type(x).dtype
        return x if "float" in dtype or "complex" in dtype else self.cast(x, "float32")

    def meeting(self, dtype: str, *xs: Any) -> list[Any]:
        """The operands, cast to `dtype` where torch would not bring them there by itself."""
        metas = [self.meta(x) for x in xs]
        if isinstance(metas[0], torch.Tensor) or isinstance(metas[-1], torch.Tensor):
            found = metas[0]
            for meta in metas[1:]:
                found = torch.empty(_rank_of(found, meta), dtype=torch.result_type(found, meta), device="meta")
            if isinstance(found, torch.Tensor) and found.dtype == torch_dtype(dtype):
                return list(xs)
        return [self.cast(x, dtype) if isinstance(x, Proxy) else x for x in xs]

    def meta(self, x: Any) -> Any:
        """A stand-in of two elements an axis, which has the dtype of `x` and no data."""
        if not isinstance(x, Proxy):
            return x
        of = self.type(x)
        return torch.empty((2,) * len(of.shape), dtype=torch_dtype(of.dtype), device="meta")

    def run(self, function: Callable[..., Any], *xs: Any, dtype: str | None = None) -> Any:
        """`function(*xs)`, cast to the output's dtype where torch gives another."""
        wanted = dtype or self.dtype
        y = function(*xs)
        given = function(*map(self.meta, xs)).dtype
        return y if given == torch_dtype(wanted) else y.to(torch_dtype(wanted))

    def stated_dtype(self, x: Proxy) -> dict[str, Any]:
        """The output's dtype as an argument, where it is not that of `x`."""
        return {} if self.type(x).dtype == self.dtype else {"dtype": torch_dtype(self.dtype)}

    def parts(self, found: Any) -> Any:
        """As many proxies as the operation has outputs, of a tuple of them."""
        return found[0] if len(self.outputs) == 1 else self.call.outputs(found)


def _rank_of(*metas: Any) -> tuple[int, ...]:
    return (2,) * max(meta.dim() if isinstance(meta, torch.Tensor) else 0 for meta in metas)


def _listed(values: Any) -> Any:
    return [_listed(value) for value in values] if isinstance(values, (list, tuple)) else values
