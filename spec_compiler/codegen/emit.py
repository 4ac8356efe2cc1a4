"""A lowered graph as a file of PyTorch source that needs torch alone."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from spec_compiler.codegen.definitions import copied
from spec_compiler.codegen.forward import ForwardPrinter
from spec_compiler.diagnostics import plain
from spec_compiler.ir import Graph, Value, values_in
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.lowered import LoweredGraph
from spec_compiler.lowering.names import READ_IN_CODE, Names, class_name

HEADER = {
    "torch.": "import torch",
    "nn.": "from torch import nn",
    "F.": "from torch.nn import functional as F",
}

LINE = 100
SEPARATOR = ",\n            "


def emit(lowered: LoweredGraph) -> str:
    """Python source of the lowered model: a class whose outputs and `state_dict` are the module's own."""
    graphs = list(_inner_first(lowered))
    forwards = []
    needed: list[Any] = []
    for graph in graphs:
        printer = ForwardPrinter(graph.fx_graph)
        forwards.append((printer.parameters(), printer.lines()))
        needed += printer.functions
        needed += [found for expr in _expressions(graph) for found in expr.definitions()]
    imports, definitions = copied(dict.fromkeys(needed))
    bound = re.findall(r"(?m)^(?:class |def )?(\w+)|import (\w+)$", "\n".join([*definitions, *imports]))
    free = Names(READ_IN_CODE.union(*bound), separator="")
    names = {id(graph): free.fresh(class_name(graph.graph.name)) for graph in graphs}
    bodies = [_class(graph, names, *forward) for graph, forward in zip(graphs, forwards, strict=True)]
    text = "\n\n\n".join([*definitions, *bodies])
    used = [line for mark, line in HEADER.items() if re.search(rf"(?<![\w.]){re.escape(mark)}", text)]
    return f"{_import_block([*used, *imports])}\n\n\n{text}\n"


def _import_block(lines: list[str]) -> str:
    """Import lines as a formatter leaves them: the standard library's first, names of one module on one line."""
    plain = {line for line in lines if line.startswith("import ")}
    chosen: dict[str, set[str]] = {}
    for line in set(lines) - plain:
        module, _, name = line.partition(" import ")
        chosen.setdefault(module, set()).add(name)
    merged = [
        f"{module} import {', '.join(sorted(names))}" for module, names in chosen.items() if "__future__" not in module
    ]
    blocks = [sorted(line for line in [*plain, *merged] if ("torch" in line) == torch) for torch in (False, True)]
    return "\n\n".join("\n".join(sorted(block, key=lambda line: line.startswith("from"))) for block in blocks if block)


def _class(graph: LoweredGraph, names: dict[int, str], parameters: list[str], forward: list[str]) -> str:
    lines = [f"class {names[id(graph)]}(nn.Module):", f'    """{_signature(graph.graph)}"""', ""]
    lines += ["    def __init__(self):", "        super().__init__()"]
    parents = set(graph.modules)
    for target, expr in graph.modules.items():
        path = target.split(".")[:-1]
        for parent in (".".join(path[: i + 1]) for i in range(len(path))):
            if parent not in parents:
                parents.add(parent)
                lines.append(f"        self.{parent} = nn.Module()")
        lines.append(f"        self.{target} = {_construction(expr, names)}")
    lines += [f"        self.{target} = self.{first}" for target, first in graph.ties()]
    lines += ["", f"    def forward({', '.join(parameters)}):"]
    lines += ["        " + part for line in forward for part in _wrapped(line)]
    return "\n".join(lines)


def _wrapped(line: str) -> list[str]:
    """A statement, its call's arguments on a line of their own where it is too long, as a formatter has it."""
    start, opening, arguments = line.partition("(")
    if len(line) <= LINE + 12 or not opening or _closing(arguments) != len(arguments) - 1:
        return [line]
    return [f"{start}(", f"    {arguments[:-1]}", ")"]


def _closing(text: str) -> int:
    """Where the bracket closes that was open before `text`."""
    depth = 1
    for i, mark in enumerate(text):
        depth += (mark in "([{") - (mark in ")]}")
        if not depth:
            return i
    return -1


def _construction(expr: ModuleExpr | LoweredGraph, names: dict[int, str]) -> str:
    if isinstance(expr, LoweredGraph):
        return f"{names[id(expr)]}()"
    source = expr.source()
    if len(source) < LINE:
        return source
    name, _, _ = source.partition("(")
    arguments = expr.source(SEPARATOR)[len(name) + 1 :].removesuffix(f"){expr.suffix}")
    return f"{name}(\n            {arguments},\n        ){expr.suffix}"


def _signature(graph: Graph) -> str:
    """`image (batch, 8, 8, 1) -> digit (batch, 10)`."""
    taken, given = _described(graph.inputs), _described(values_in(graph.outputs))
    text = f"{taken} -> {given}"
    if len(text) < LINE:
        return text
    return "\n    ".join(["", *textwrap.wrap(f"{taken} ->", LINE), *textwrap.wrap(given, LINE), ""])


def _described(values: Iterable[Value]) -> str:
    """The values as a docstring says them; whatever their names hold, they cannot end it."""
    text = ", ".join(f"{value.name} {_dims(value.shape)}" for value in values)
    return plain(text).replace("\\", "\\\\").replace('"', "'")


def _dims(shape: Any) -> str:
    batch, *rest = shape or ("?",)
    return f"({', '.join(['batch' if batch is None else str(batch), *('?' if n is None else str(n) for n in rest)])})"


def _inner_first(graph: LoweredGraph) -> Iterator[LoweredGraph]:
    for inner in graph.modules.values():
        if isinstance(inner, LoweredGraph):
            yield from _inner_first(inner)
    yield graph


def _expressions(graph: LoweredGraph) -> Iterator[ModuleExpr]:
    return (expr for expr in graph.modules.values() if isinstance(expr, ModuleExpr))
