"""Print an fx graph as the body of a `forward`: one line a layer, single-use steps inside the line that uses them."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.fx import Graph, Node

from spec_compiler.lowering.expressions import torch_name
from spec_compiler.lowering.names import READ_IN_CODE, Names, identifier

INFIX = {
    operator.add: ("+", 5), operator.sub: ("-", 5), operator.mul: ("*", 6), operator.truediv: ("/", 6),
    operator.floordiv: ("//", 6), operator.mod: ("%", 6), operator.matmul: ("@", 6), operator.pow: ("**", 8),
    operator.and_: ("&", 4), operator.or_: ("|", 2), operator.xor: ("^", 3),
    operator.lt: ("<", 1), operator.le: ("<=", 1), operator.gt: (">", 1), operator.ge: (">=", 1),
    operator.eq: ("==", 1), operator.ne: ("!=", 1),
}  # fmt: skip
PREFIX = {operator.neg: ("-", 7), operator.invert: ("~", 7), operator.pos: ("+", 7)}
ATOM = 10
"""Precedence of what needs no parentheses: names, calls, subscripts."""

LINE = 100
"""Characters of an expression after which it is written in several lines, a step each."""


class ForwardPrinter:
    """Prints one graph. `functions` collects the functions of ours it calls, which the source must define."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = [node for node in graph.nodes if node.op not in ("placeholder", "output")]
        self.placeholders = [node for node in graph.nodes if node.op == "placeholder"]
        self.result = next(node for node in graph.nodes if node.op == "output")
        self.functions: list[Callable[..., Any]] = []
        self._text: dict[Node, tuple[str, int]] = {}
        self._unpacked = {user for node in self.nodes if "outputs" in node.meta for user in node.users}
        self._inlined: set[Node] = set()
        self._parts: set[Node] = set()

    def parameters(self) -> list[str]:
        """The arguments of `forward`, `self` first."""
        return ["self", *(f"{p.target}={p.args[0]}" if p.args else str(p.target) for p in self.placeholders)]

    def lines(self) -> list[str]:
        """The body, unindented."""
        apart: set[Node] = set()
        while True:
            self._inlined = self._find_inlined(apart)
            self.functions = []
            lines = self._lines()
            long = {
                node: split for node, length in self._lengths.items() if length > LINE and (split := self._split(node))
            }
            if not long:
                return lines
            for node, split in long.items():
                if not any(arg in long for arg in node.all_input_nodes):  # innermost first
                    apart.update(split)
                    self._parts.update(split if len(split) > 1 else ())

    def _split(self, node: Node) -> list[Node]:
        """The steps within the expression of `node` that are written before it once it is too long."""
        while node.op == "call_method" and node.args[0] in self._inlined:
            node = node.args[0]  # type: ignore[assignment]
            if node.op != "call_method":
                return [node]
        return [arg for arg in node.all_input_nodes if arg in self._inlined]

    def _lines(self) -> list[str]:
        self._lengths: dict[Node, int] = {}
        for p in self.placeholders:
            self._text[p] = (str(p.target), ATOM)
        statements = [node for node in self.nodes if node not in self._inlined and "outputs" not in node.meta]
        names = self._names(statements)
        lines = []
        for node in self.nodes:
            if node in self._unpacked:
                self._text[node] = (names[node], ATOM)
                continue
            text = self._expression(node)
            self._lengths[node] = len(text[0])
            if "outputs" in node.meta:
                lines.append(f"{self._targets(node, names)} = {text[0]}")
            elif node in self._inlined:
                self._text[node] = text
            elif not node.users:
                lines.append(text[0])
            else:
                lines.append(f"{names[node]} = {text[0]}")
                self._text[node] = (names[node], ATOM)
        returned = self._structure(self.result.args[0])
        if lines and lines[-1].startswith(f"{returned} = "):
            return [*lines[:-1], "return " + lines[-1].removeprefix(f"{returned} = ")]
        return [*lines, f"return {returned}"]

    def _targets(self, node: Node, names: dict[Node, str]) -> str:
        """`y, h, _`: the outputs that are used, each under its name."""
        used = {user.args[1]: names[user] for user in node.users}
        return ", ".join(used.get(i, "_") for i in range(node.meta["outputs"]))

    def _find_inlined(self, apart: set[Node]) -> set[Node]:
        """Steps used once, by a step of the same layer, with nothing between the two but steps that are inlined too.

        Those in `apart` are not, whatever they are.
        """
        place = {node: i for i, node in enumerate(self.nodes)}
        inlined = set()
        following = len(self.nodes)
        for i in range(len(self.nodes) - 1, -1, -1):
            node = self.nodes[i]
            (user, *others) = list(node.users) or [None]
            if node in self._unpacked:
                continue
            own = user is not None and "outputs" not in node.meta and user.meta.get("layer") == node.meta.get("layer")
            if (
                own
                and not others
                and node not in apart
                and place.get(user, following + 1) <= following
                and _once(node, user)
            ):
                inlined.add(node)
            else:
                following = i
        return inlined

    def _names(self, statements: list[Node]) -> dict[Node, str]:
        """`x` for what the next line alone uses, the layer's name for what is needed later."""
        line_of = {}
        line = 0
        for node in self.nodes:
            line_of[node] = line - 1 if node in self._unpacked else line
            line += node not in self._inlined and node not in self._unpacked
        line_of[self.result] = line
        used_later = {p.target for p in self.placeholders if any(line_of[user] > 0 for user in p.users)}
        running = next((name for name in ("x", "y", "h", "hidden") if name not in used_later), None)
        running = running or Names(used_later).fresh("running")
        called = {n.target.__name__ for n in self.nodes if callable(n.target) and torch_name(n.target) is None}
        taken = {str(p.target) for p in self.placeholders} | called | READ_IN_CODE | {running}
        returned = set() if isinstance(self.result.args[0], Node) else set(self.result.all_input_nodes)
        last_line: dict[str, int] = {}
        counts: dict[str, int] = {}
        names = {}
        for node in statements:
            alone = node not in self._unpacked or len(node.args[0].users) == 1  # type: ignore[union-attr]
            if (
                alone
                and node not in returned
                and node not in self._parts
                and all(line_of[user] == line_of[node] + 1 for user in node.users)
            ):
                names[node] = running
                continue
            name = stem = identifier(self._stem(node))
            # A name is free again when what it stood for is used no more.
            while name in taken or last_line.get(name, 0) > line_of[node]:
                counts[stem] = counts.get(stem, 0) + 1
                name = f"{stem}_{counts[stem]}"
            names[node] = name
            last_line[name] = max((line_of[user] for user in node.users), default=0)
        return names

    def _stem(self, node: Node) -> str:
        """What a step's result is called after: a part of a layer (`query`), or else the layer."""
        if "part" in node.meta:
            return str(node.meta["part"])
        part = node
        while part.op == "call_method" and part.args[0].meta.get("layer") == part.meta.get("layer"):  # type: ignore[union-attr]
            part = part.args[0]  # type: ignore[assignment]
        if part.op == "call_module" and "." in str(part.target):
            return str(part.target).rpartition(".")[2]
        return str(node.meta.get("layer") or node.name)

    def _expression(self, node: Node) -> tuple[str, int]:
        if node.op == "call_module":
            return f"self.{node.target}({self._arguments(node.args, node.kwargs)})", ATOM
        if node.op == "call_method":
            receiver, *args = node.args
            return f"{self._operand(receiver, ATOM)}.{node.target}({self._arguments(args, node.kwargs)})", ATOM
        target = node.target
        assert callable(target), node.op
        if target in INFIX and len(node.args) == 2:
            sign, level = INFIX[target]
            return f"{self._operand(node.args[0], level)} {sign} {self._operand(node.args[1], level + 1)}", level
        if target in PREFIX:
            sign, level = PREFIX[target]
            return f"{sign}{self._operand(node.args[0], level)}", level
        if target is operator.getitem:
            return f"{self._operand(node.args[0], ATOM)}[{self._index(node.args[1])}]", ATOM
        if target is getattr:
            return f"{self._operand(node.args[0], ATOM)}.{node.args[1]}", ATOM
        return f"{self._function(target)}({self._arguments(node.args, _stated(target, node.kwargs))})", ATOM

    def _function(self, target: Callable[..., Any]) -> str:
        name = torch_name(target)
        if name is None:
            self.functions.append(target)
            name = target.__name__
        return name

    def _operand(self, arg: Any, level: int) -> str:
        if isinstance(arg, Node):
            text, own = self._text[arg]
            return f"({text})" if own < level else text
        text = self._structure(arg)
        return f"({text})" if text.startswith("-") and level > INFIX[operator.mul][1] else text

    def _arguments(self, args: Any, kwargs: dict[str, Any]) -> str:
        return ", ".join(
            [self._structure(a) for a in args] + [f"{key}={self._structure(a)}" for key, a in kwargs.items()]
        )

    def _structure(self, arg: Any) -> str:
        if isinstance(arg, Node):
            return self._text[arg][0]
        if isinstance(arg, tuple):
            items = [self._structure(item) for item in arg]
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if isinstance(arg, list):
            return f"[{', '.join(self._structure(item) for item in arg)}]"
        if isinstance(arg, dict):
            return "{" + ", ".join(f"{key!r}: {self._structure(item)}" for key, item in arg.items()) + "}"
        if isinstance(arg, slice):
            return self._index(arg)
        if isinstance(arg, float) and not math.isfinite(arg):
            return f'float("{arg}")'
        return "..." if arg is Ellipsis else repr(arg)

    def _index(self, arg: Any) -> str:
        if isinstance(arg, tuple):
            return ", ".join(self._index(item) for item in arg) + ("," if len(arg) == 1 else "")
        if isinstance(arg, slice):
            parts = ["" if part is None else self._structure(part) for part in (arg.start, arg.stop, arg.step)]
            return ":".join(parts if parts[2] else parts[:2])
        return self._structure(arg)


def _once(node: Node, user: Node) -> bool:
    """Whether `node` stands in `user`'s arguments once."""
    found = 0

    def count(arg: Node) -> Node:
        nonlocal found
        found += arg is node
        return arg

    torch.fx.node.map_arg((user.args, user.kwargs), count)
    return found == 1


def _stated(function: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """`kwargs` less those that are the function's defaults: tracing records every one."""
    defaults = _defaults(function)
    return {key: value for key, value in kwargs.items() if key not in defaults or defaults[key] != value}


@cache
def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        # Functions written in C have no signature; what their lowering states is what is printed.
        return {}
    return {p.name: p.default for p in parameters if p.default is not p.empty}
