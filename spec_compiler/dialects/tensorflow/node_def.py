"""TensorFlow's NodeDef, as TensorFlowOpLayer holds it: the raw operation and its attributes.

tf.keras wrote it as protobuf's JSON (a mapping, or its text), or in protobuf's text format.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spec_compiler.dialects.tensorflow.values import Refusal

MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class NodeDef:
    """One raw operation."""

    op: str
    attributes: dict[str, Any]
    """Numbers, texts, dtypes by name, shapes as lists, and lists of these."""


def read(value: Any) -> NodeDef:
    """The operation that a file states as `node_def`; Refusal when it states none."""
    if isinstance(value, str):
        value = _from_text(value)
    if not isinstance(value, dict) or not isinstance(value.get("op"), str):
        raise Refusal("`node_def` states no operation")
    attributes = value.get("attr") or {}
    if not isinstance(attributes, dict):
        raise Refusal("`node_def` has attributes in an unknown form")
    return NodeDef(value["op"], {key: _attribute(one) for key, one in attributes.items()})


def _attribute(value: Any) -> Any:
    """What an AttrValue holds: a mapping with one key, which tells the kind."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((kind, held),) = value.items()
    if kind == "list":
        held = held if isinstance(held, dict) else {}
        return [
            _attribute({key: item})
            for key, items in held.items()
            for item in (items if isinstance(items, list) else [items])
        ]
    try:
        return _KINDS[kind](held) if kind in _KINDS else None
    except (TypeError, ValueError):
        raise Refusal("`node_def` has an attribute that cannot be read") from None


def _bool(value: Any) -> bool:
    return value is True or value == "true"


def _bytes(value: Any) -> str:
    # JSON has no bytes: protobuf writes base64. Its text format has them as they are.
    if isinstance(value, _Text):
        return str(value)
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return str(value)


def _shape(value: Any) -> list[int]:
    dims = value.get("dim", []) if isinstance(value, dict) else []
    sizes = [
        dim.get("size", 0) if isinstance(dim, dict) else None for dim in (dims if isinstance(dims, list) else [dims])
    ]
    return [int(size) for size in sizes]  # type: ignore[arg-type]


_KINDS: dict[str, Callable[[Any], Any]] = {
    "i": int,
    "f": float,
    "b": _bool,
    "s": _bytes,
    "type": str,
    "shape": _shape,
}


# Protobuf's text format: `name: "add" op: "AddV2" attr { key: "T" value { type: DT_FLOAT } }`.


class _Text(str):
    """A text in quotes."""

    __slots__ = ()


_TOKEN = re.compile(
    r'(?:\s|#[^\n]*)*+(?:(?P<text>"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')|(?P<word>[\w.+-]+)|(?P<mark>[{}<>:;,\[\]])|$)',
    re.S,
)


def _from_text(text: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise Refusal("`node_def` is no JSON") from None
    return _Parser(text).message()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[Any] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise Refusal("`node_def` is in no known form")
            at = found.end()
            quoted = found["text"]
            token = _Text(quoted[1:-1]) if quoted else found["word"] or found["mark"]
            self._tokens += [] if token is None else [token]
        self._tokens.reverse()

    def message(self, depth: int = 0) -> dict[str, Any]:
        """Fields up to the closing brace; repeated ones as lists, the entries of `attr` as one mapping."""
        found: dict[str, list[Any]] = {}
        attributes: dict[str, Any] = {}
        while self._tokens and self._tokens[-1] not in ("}", ">"):
            key = self._tokens.pop()
            value = self._value(depth)
            if key == "attr" and isinstance(value, dict):
                attributes[str(value.get("key"))] = value.get("value")
            else:
                found.setdefault(key, []).extend(value if isinstance(value, list) else [value])
            while self._tokens and self._tokens[-1] in (",", ";"):
                self._tokens.pop()
        fields: dict[str, Any] = {key: values[0] if len(values) == 1 else values for key, values in found.items()}
        return {**fields, "attr": attributes} if attributes else fields

    def _value(self, depth: int) -> Any:
        if self._tokens and self._tokens[-1] == ":":
            self._tokens.pop()
        if not self._tokens or depth > MAX_DEPTH:
            raise Refusal("`node_def` is in no known form")
        token = self._tokens.pop()
        if isinstance(token, _Text) or token not in ("{", "<", "["):
            return token
        if token == "[":
            items = []
            while self._tokens and self._tokens[-1] != "]":
                items.append(self._value(depth + 1))
                if self._tokens and self._tokens[-1] == ",":
                    self._tokens.pop()
            self._close()
            return items
        inner = self.message(depth + 1)
        self._close()
        return inner

    def _close(self) -> None:
        if not self._tokens:
            raise Refusal("`node_def` is in no known form")
        self._tokens.pop()
