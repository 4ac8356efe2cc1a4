"""Names of layers and models, which may be any text, as names in Python that are valid, free and each its own."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

import torch.fx
from torch import nn

ATTRIBUTES = frozenset({*dir(torch.fx.GraphModule), *vars(nn.Module()), "self"})
"""What a module has already, and the one that torch.fx's local variables cannot be called: no submodule's name."""

READ_IN_CODE = frozenset(
    {"torch", "nn", "F", "math", "operator", "self", "device", "inf", "nan", "NoneType", "pytree", "fx_pytree"}
    | {"bool", "float", "getattr", "int", "len", "range", "slice"}
)
"""What the code of a `forward` reads, torch.fx's or ours; no argument or local variable can bear these names."""


class Names:
    """Gives out names, none twice and none of the `taken`: `x`, `x_1`, `x_2`."""

    def __init__(self, taken: Iterable[str] = (), separator: str = "_") -> None:
        self._taken = set(taken)
        self._separator = separator
        self._counts: dict[str, int] = {}

    def fresh(self, stem: str) -> str:
        """`stem`, or with a number behind it."""
        name, n = stem, self._counts.get(stem, 0)
        while n or name in self._taken:
            n += 1
            name = f"{stem}{self._separator}{n}"
            if name not in self._taken:
                break
        self._counts[stem] = n
        self._taken.add(name)
        return name


def identifier(name: str) -> str:
    """A layer's name as a variable's or an attribute's: `block1/conv.2` -> `block1_conv_2`."""
    name = re.sub(r"\W", "_", name)
    if not name.isascii():
        # Python reads names so; some of what are letters to regular expressions are none to it.
        name = unicodedata.normalize("NFKC", name)
        name = "".join(char if f"_{char}".isidentifier() else "_" for char in name)
    if not name.isidentifier():
        name = f"_{name}"
    # Two underscores in front mean something else within a class.
    name = re.sub("^__+", "_", name)
    return f"{name}_" if keyword.iskeyword(name) else name


def class_name(name: str) -> str:
    """A model's name as a class's: `resnet_18` -> `Resnet18`."""
    words = identifier(name).split("_")
    camel = "".join(word[:1].upper() + word[1:] for word in words)
    return camel if camel.isidentifier() and not keyword.iskeyword(camel) else f"Model{camel}"
