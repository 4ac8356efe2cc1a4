"""`${…}` arithmetic against Python's own, and against text that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec_compiler.dialects.short.expressions import ExpressionError, parse
from spec_compiler.specs.types import MAX_SIZE

PARAMETERS = {"n": 7, "m": -3, "k": 0}


def evaluate(text: str, parameters=PARAMETERS):
    return parse(f"${{{text}}}", (), parameters).evaluate(parameters)


leaves = st.integers(0, 99).map(lambda n: (str(n), n)) | st.sampled_from(list(PARAMETERS.items()))


def grown(children):
    def join(parts):
        sign, (a, x), (b, y) = parts
        if x is None or y is None or (sign == "//" and y == 0):
            return f"({a}) {sign} ({b})", None
        return f"({a}) {sign} ({b})", {"+": x + y, "-": x - y, "*": x * y, "//": x // y if y else None}[sign]

    negated = children.map(lambda part: (f"-({part[0]})", None if part[1] is None else -part[1]))
    return negated | st.tuples(st.sampled_from(["+", "-", "*", "//"]), children, children).map(join)


@given(st.recursive(leaves, grown, max_leaves=6))
def test_value_is_pythons_or_a_division_by_zero(case):
    text, value = case
    if value is None:
        with pytest.raises(ExpressionError, match="division by zero"):
            evaluate(text)
    elif abs(value) <= MAX_SIZE:
        try:
            assert evaluate(text) == value
        except ExpressionError as error:
            assert "larger than" in str(error)  # an intermediate value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ("10-3-2", 5),
        ("100//7//2", 7),
        ("2*7//3*2", 8),
        ("-n//2", -4),
        ("--n", 7),
        ("n - -m", 4),
        (" ( n ) ", 7),
    ],
)
def test_operators_bind_as_in_python(text, value):
    assert evaluate(text) == value


@pytest.mark.parametrize("value", [None, 1.5, "relu", [3, 3], True, {"HeNormal": {}}])
def test_a_lone_parameter_is_any_value(value):
    assert evaluate("x", {"x": value}) is value


@pytest.mark.parametrize("value", [None, 1.5, 4.0, "relu", [3, 3], True])
def test_arithmetic_takes_whole_numbers_alone(value):
    with pytest.raises(ExpressionError, match="arithmetic takes whole numbers"):
        evaluate("x + 1", {"x": value})


REFUSED = """
n n|n +|* n|(n|n)|()|n / 2|n % 2|n ** 2|1.5|1e3|0x10|n.real|n[0]|f(n)|'n'|n if n else m|unknown|n; m|n = 3|{n}|٣
99999999999|2147483647 + 1
"""


@pytest.mark.parametrize("text", ["", " ", "n" * 300, *REFUSED.strip().replace("\n", "|").split("|")])
def test_anything_else_is_refused(text):
    with pytest.raises(ExpressionError):
        evaluate(text)


def test_depth_is_bounded():
    assert evaluate("(" * 20 + "n" + ")" * 20) == 7
    with pytest.raises(ExpressionError, match="parentheses"):
        evaluate("(" * 21 + "n" + ")" * 21)
