"""Python's operators on symbolic tensors: `x + 1`, `x[:, 1:]`, `x @ y`; each is an operation in the graph."""

from __future__ import annotations

from typing import Any


def _op(name: str, *args: Any) -> Any:
    from spec_compiler.specs.layers.ops import OpSpec

    return OpSpec(op=name)(*args)


class Operators:
    """The operators that Keras's symbolic tensors have, and the operations they stand for. `==` compares identities."""

    __slots__ = ()

    __array_ufunc__ = None
    """Tells numpy to leave `array + x` to this class."""

    def __add__(self, other: Any) -> Any:
        return _op("Add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _op("Add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _op("Subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _op("Subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return _op("Multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _op("Multiply", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _op("TrueDivide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _op("TrueDivide", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _op("FloorDivide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _op("FloorDivide", other, self)

    def __mod__(self, other: Any) -> Any:
        return _op("Mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return _op("Mod", other, self)

    def __pow__(self, other: Any) -> Any:
        return _op("Power", self, other)

    def __rpow__(self, other: Any) -> Any:
        return _op("Power", other, self)

    def __matmul__(self, other: Any) -> Any:
        return _op("Matmul", self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _op("Matmul", other, self)

    def __neg__(self) -> Any:
        return _op("Negative", self)

    def __abs__(self) -> Any:
        return _op("Absolute", self)

    def __invert__(self) -> Any:
        return _op("LogicalNot", self)

    def __and__(self, other: Any) -> Any:
        return _op("LogicalAnd", self, other)

    def __rand__(self, other: Any) -> Any:
        return _op("LogicalAnd", other, self)

    def __or__(self, other: Any) -> Any:
        return _op("LogicalOr", self, other)

    def __ror__(self, other: Any) -> Any:
        return _op("LogicalOr", other, self)

    def __xor__(self, other: Any) -> Any:
        return _op("LogicalXor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return _op("LogicalXor", other, self)

    def __lt__(self, other: Any) -> Any:
        return _op("Less", self, other)

    def __le__(self, other: Any) -> Any:
        return _op("LessEqual", self, other)

    def __gt__(self, other: Any) -> Any:
        return _op("Greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return _op("GreaterEqual", self, other)

    def __ne__(self, other: Any) -> Any:
        return _op("NotEqual", self, other)

    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        return _op("GetItem", self, key)

    def __round__(self, ndigits: int | None = None) -> Any:
        from spec_compiler.specs.layers.ops import OpSpec

        return OpSpec(op="Round", arguments={"decimals": ndigits or 0})(self)

    def __bool__(self) -> bool:
        raise TypeError("a symbolic tensor is neither true nor false before there is data")

    def __iter__(self) -> Any:
        raise TypeError("a symbolic tensor cannot be iterated over; to take it apart along an axis, use ops.unstack")
