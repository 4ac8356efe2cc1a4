"""`${…}` in a block: a parameter, or whole-number arithmetic on parameters. A small parser; no code is evaluated."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

from spec_compiler.diagnostics import Path, did_you_mean, show
from spec_compiler.specs.types import MAX_SIZE

MAX_LENGTH = 200
MAX_DEPTH = 20
"""Parentheses inside each other."""

_WHOLE = re.compile(r"\$\{(.*)\}", re.DOTALL)
_TOKEN = re.compile(r"\s*(?:(?P<number>[0-9]+)(?![\w.])|(?P<name>[^\W\d]\w*)|(?P<sign>//|\S))")
_SUMS = ("+", "-")
_PRODUCTS = ("*", "//")
_NEGATE = "negate -"
"""No token can be this, so it names the sign in the postfix form."""


def _floor_divide(a: int, b: int) -> int:
    if b == 0:
        raise ExpressionError("division by zero")
    return a // b


_BINARY: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": _floor_divide,
}


class ExpressionError(ValueError):
    """The expression cannot be read, or has no value. `help` says what would do, `expression` which one it is."""

    def __init__(self, message: str, help: str | Callable[[], str] | None = None) -> None:
        super().__init__(message)
        self.help = help
        self.expression: Expression | None = None


class Expression(NamedTuple):
    """A parsed `${…}`: numbers, parameters and operators in postfix order; no steps where it could not be read."""

    text: str
    path: Path
    steps: tuple[int | str, ...]

    def evaluate(self, parameters: Mapping[str, Any]) -> Any:
        """The value: a lone parameter's as it is, else a whole number. Raises ExpressionError."""
        if not self.steps:
            raise ExpressionError("not read")
        if len(self.steps) == 1 and isinstance(self.steps[0], str):
            return parameters[self.steps[0]]
        stack: list[int] = []
        for step in self.steps:
            if isinstance(step, int):
                stack.append(step)
            elif step == _NEGATE:
                stack.append(-stack.pop())
            elif step in _BINARY:
                b, a = stack.pop(), stack.pop()
                stack.append(_bounded(_BINARY[step](a, b)))
            else:
                stack.append(_whole(step, parameters[step]))
        return stack.pop()


def is_expression(value: object) -> bool:
    """Whether `value` is a string with `${` in it."""
    return isinstance(value, str) and "${" in value


def parse(text: str, path: Path, parameters: Collection[str]) -> Expression:
    """The expression that `text`, `${…}` from end to end, holds; raises ExpressionError."""
    whole = _WHOLE.fullmatch(text.strip())
    if whole is None or "${" in whole[1]:
        raise ExpressionError("a ${…} is the whole of a value, with nothing beside it")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression of {len(text):,} characters; at most {MAX_LENGTH} are read")
    return Expression(text, path, _Parser(_tokens(whole[1]), parameters).postfix())


def _tokens(inner: str) -> list[str]:
    tokens = []
    position = 0
    inner = inner.rstrip()
    while position < len(inner):
        match = _TOKEN.match(inner, position)
        assert match is not None  # any character is a token
        tokens.append(match.group(match.lastgroup or 0))
        position = match.end()
    if not tokens:
        raise ExpressionError("it is empty: name a parameter of the block")
    return tokens


class _Parser:
    """Recursive descent over tokens: sums of products of signed numbers, parameters and parentheses."""

    def __init__(self, tokens: list[str], parameters: Collection[str]) -> None:
        self.tokens = [*tokens, ""]  # the end
        self.parameters = parameters
        self.at = 0
        self.steps: list[int | str] = []

    def postfix(self) -> tuple[int | str, ...]:
        self._sum(0)
        if self._token:
            raise self._unexpected()
        return tuple(self.steps)

    @property
    def _token(self) -> str:
        return self.tokens[self.at]

    def _sum(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"more than {MAX_DEPTH} parentheses inside each other")
        self._chain(_SUMS, lambda: self._chain(_PRODUCTS, lambda: self._factor(depth)))

    def _chain(self, operators: tuple[str, ...], operand: Callable[[], None]) -> None:
        operand()
        while self._token in operators:
            sign = self._token
            self.at += 1
            operand()
            self.steps.append(sign)

    def _factor(self, depth: int) -> None:
        negative = False
        while self._token == "-":
            negative = not negative
            self.at += 1
        token = self._token
        if token == "(":
            self.at += 1
            self._sum(depth + 1)
            if self._token != ")":
                raise self._unexpected()
        elif token.isascii() and token.isdigit():
            self.steps.append(_bounded(int(token)))
        elif token.isidentifier():
            self.steps.append(self._known(token))
        else:
            raise self._unexpected()
        self.at += 1
        if negative:
            self.steps.append(_NEGATE)

    def _known(self, name: str) -> str:
        if name in self.parameters:
            return name
        if not self.parameters:
            raise ExpressionError(f"there is no parameter {show(name)} here, for only a block has `params`")
        raise ExpressionError(f"the block has no parameter {show(name)}", partial(_parameters, name, self.parameters))

    def _unexpected(self) -> ExpressionError:
        token = self._token
        if not token:
            return ExpressionError("it ends too early")
        help = "write whole-number division as //" if token == "/" else "use + - * // ( ), whole numbers and parameters"
        return ExpressionError(f"{show(token)} cannot stand here", help)


def _parameters(name: str, known: Collection[str]) -> str:
    return did_you_mean(name, known) or f"the parameters are {show(list(known))}"


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ExpressionError(f"arithmetic takes whole numbers, and {name} is {show(value)}")
    return _bounded(value)


def _bounded(value: int) -> int:
    if abs(value) > MAX_SIZE:
        raise ExpressionError(f"a number larger than {MAX_SIZE}, which no size may be")
    return value
