"""YAML: PyYAML's events, composed by us, so that every limit holds before anything is built.

Nothing here can construct an object: scalars are read by `yaml_scalars`, collections are lists and dicts, and the
tags that are known (the table below) only say which of these a value is.

Keys are strings, or integers if written as such; other scalars serve as keys by their text (`true: 1` has the key
"true"). Keys that read the same (`1` and `"1"`) are duplicates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from spec_compiler.diagnostics import (
    ALIAS_LIMIT,
    COMPLEX_KEY,
    DUPLICATE_KEY,
    EMPTY_DOCUMENT,
    INVALID_VALUE,
    LIMIT_EXCEEDED,
    MULTIPLE_DOCUMENTS,
    SYNTAX_ERROR,
    UNSAFE_TAG,
    Code,
    show,
)
from spec_compiler.source.limits import Limits
from spec_compiler.source.places import Faults, Place, Refused
from spec_compiler.source.yaml_errors import explain
from spec_compiler.source.yaml_scalars import Scalar, ScalarError, construct, resolve

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = {
    "!": "str",
    **{_CORE + kind: kind for kind in ("str", "null", "bool", "int", "float")},
    _CORE + "python/unicode": "str",  # Keras on Python 2
}
_COLLECTION_TAGS = {
    "!": (list, dict),
    _CORE + "seq": (list,),
    _CORE + "python/tuple": (list,),
    _CORE + "map": (dict,),
}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, limits: Limits, with_places: bool = False) -> tuple[Any, Place | None]:
    """The data of a YAML text, and their places if asked for; raises `Refused` with every fault found."""
    return _Composer(text, limits, with_places).compose()


_NO_KEY: Any = object()
_MERGE: Any = object()


class _Node:
    """A list or mapping being composed, or any value that an anchor names."""

    __slots__ = ("data", "height", "is_open", "key", "key_at", "merged", "place", "size")

    def __init__(self, data: Any, place: Place | None, size: int, is_open: bool = False) -> None:
        self.data = data
        self.place = place
        self.size = size  # values inside, aliases expanded; the count before it while open
        self.height = 0  # levels of lists and mappings, this one included
        self.is_open = is_open
        self.key = _NO_KEY
        self.key_at = (0, 0)
        self.merged: list[tuple[dict[Any, Any], Place | None]] | None = None

    @property
    def wants_key(self) -> bool:
        return self.key is _NO_KEY and type(self.data) is dict


class _Composer:
    def __init__(self, text: str, limits: Limits, with_places: bool) -> None:
        self.text = text
        self.limits = limits
        self.with_places = with_places
        self.faults = Faults(limits)
        self.nodes = 0
        self.alias_nodes = 0
        self.documents = 0
        self.stack: list[_Node] = []
        self.anchors: dict[str, _Node] = {}
        self.root: tuple[Any, Place | None] | None = None

    def compose(self) -> tuple[Any, Place | None]:
        self._check_directives()
        handlers: dict[type, Any] = {
            yaml.DocumentStartEvent: self._start_document,
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceEndEvent: self._close,
            yaml.MappingEndEvent: self._close,
        }
        for event in self._events():
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)
        if self.root is None:
            self.faults.stop(EMPTY_DOCUMENT, "the document is empty", 0, 0)
        self.faults.check()
        return self.root

    def _events(self) -> Iterator[Any]:
        try:
            yield from yaml.parse(self.text, Loader=_LOADER)
        except (
            yaml.YAMLError,
            ValueError,
            OverflowError,
        ) as error:  # the last two: bad escapes, without libyaml
            raise Refused([*self.faults.found, explain(error, self.text)]) from None

    def _check_directives(self) -> None:
        if self.text.count("\n%") > self.limits.max_directives:
            at = self.text.index("\n%") + 1
            self.faults.stop(LIMIT_EXCEEDED, "the document has too many lines beginning with '%'", at, at + 1)

    def _start_document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self._stop(MULTIPLE_DOCUMENTS, "a second document begins here", event)

    def _scalar(self, event: Any) -> None:
        self._count(event)
        value = self._scalar_value(event)
        if event.anchor is not None:
            # A long text counts for more, so that aliases cannot multiply it.
            size = 1 + len(event.value) // 100
            self.anchors[event.anchor] = _Node(value, self._place(event), size)
        if self.stack and self.stack[-1].wants_key:
            is_merge = event.value == "<<" and event.implicit[0]
            self._take_key(_MERGE if is_merge else value if type(value) is int else event.value, event)
        else:
            self._add(value, self._place(event), 0)

    def _scalar_value(self, event: Any) -> Scalar:
        tag = event.tag
        try:
            if tag is None:
                return resolve(event.value, self.limits) if event.implicit[0] else event.value
            kind = _SCALAR_TAGS.get(tag)
            if kind is not None:
                return construct(kind, event.value, self.limits)
        except ScalarError as error:
            self._fault(error.code, error.message, event)
            return None
        self._refuse_tag(event, tag in _COLLECTION_TAGS)
        return None

    def _alias(self, event: Any) -> None:
        name = show("*" + event.anchor)
        node = self.anchors.get(event.anchor)
        if node is None:
            self._fault(SYNTAX_ERROR, f"nothing above has the anchor of the alias {name}", event)
            node = _Node(None, None, 1)
        if node.is_open:
            self._stop(ALIAS_LIMIT, f"the alias {name} stands inside the value it names", event)
        self.alias_nodes += node.size
        if self.alias_nodes > self.limits.max_alias_nodes:
            limit = self.limits.max_alias_nodes
            self._stop(ALIAS_LIMIT, f"with the alias {name}, aliases add more than {limit:,} values", event)
        self._check_depth(node.height, event)
        if self.stack and self.stack[-1].wants_key:
            if node.height:
                self._stop(COMPLEX_KEY, "a list or mapping as a key", event)
            self._take_key(node.data if type(node.data) in (str, int) else str(node.data), event)
            return
        place = self._place(event, node.place.children if node.place is not None else None)
        self._add(_copy(node.data), place, node.height)

    def _open(self, event: Any) -> None:
        self._count(event)
        if self.stack and self.stack[-1].wants_key:
            help = 'one pair of braces is enough, and "${...}" stands in quotes' if _is_flow_mapping(event) else None
            self._stop(COMPLEX_KEY, "a list or mapping as a key", event, help)
        self._check_depth(1, event)
        kind: type = list if type(event) is yaml.SequenceStartEvent else dict
        if event.tag is not None and kind not in _COLLECTION_TAGS.get(event.tag, ()):
            self._refuse_tag(event, event.tag in _SCALAR_TAGS or event.tag in _COLLECTION_TAGS)
        node = _Node(kind(), self._place(event, kind()), self.nodes + self.alias_nodes - 1, is_open=True)
        node.height = 1
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self.stack.append(node)

    def _close(self, event: Any) -> None:
        node = self.stack.pop()
        node.is_open = False
        node.size = self.nodes + self.alias_nodes - node.size
        if node.merged is not None:
            _apply_merges(node)
        if node.place is not None and event.end_mark.index > event.start_mark.index:
            node.place.end = event.end_mark.index  # a bracket; a block has ended with its last item
        self._add(node.data, node.place, node.height)

    def _take_key(self, key: Any, event: Any) -> None:
        top = self.stack[-1]
        top.key = key
        top.key_at = (event.start_mark.index, event.end_mark.index)
        if top.merged is not None if key is _MERGE else _is_taken(key, top.data):
            self._fault(DUPLICATE_KEY, f"duplicate key {show('<<' if key is _MERGE else key)}", event)

    def _add(self, value: Any, place: Place | None, height: int) -> None:
        """Put a finished value where it belongs."""
        if not self.stack:
            self.root = value, place
            return
        top = self.stack[-1]
        if height >= top.height:
            top.height = height + 1
        if place is not None and top.place is not None:
            top.place.end = place.end
        if type(top.data) is list:
            top.data.append(value)
            if place is not None and top.place is not None:
                top.place.children.append(place)
            return
        key, top.key = top.key, _NO_KEY
        if key is _MERGE:
            self._merge(top, value, place)
            return
        top.data[key] = value
        if place is not None and top.place is not None:
            place.key = top.key_at
            top.place.children[key] = place

    def _merge(self, top: _Node, value: Any, place: Place | None) -> None:
        """Keep what `<<` names until the mapping's own keys are known."""
        top.merged = []
        is_list = isinstance(value, list)
        for index, mapping in enumerate(value if is_list else [value]):
            if not isinstance(mapping, dict):
                message = f"'<<' takes a mapping or a list of mappings, not {show(mapping)}"
                self.faults.add(INVALID_VALUE, message, *top.key_at)
                return
            top.merged.append((mapping, place.child(index) if is_list and place is not None else place))

    def _count(self, event: Any) -> None:
        self.nodes += 1
        if self.nodes > self.limits.max_nodes:
            self._stop(LIMIT_EXCEEDED, f"the document is more than {self.limits.max_nodes:,} values", event)

    def _check_depth(self, more: int, event: Any) -> None:
        if len(self.stack) + more > self.limits.max_depth:
            self._stop(LIMIT_EXCEEDED, f"the document is nested more than {self.limits.max_depth} deep", event)

    def _place(self, event: Any, children: Any = None) -> Place | None:
        if not self.with_places:
            return None
        return Place(event.start_mark.index, event.end_mark.index, children)

    def _refuse_tag(self, event: Any, is_known: bool) -> None:
        tag = event.tag.replace(_CORE, "!!", 1) if event.tag.startswith(_CORE) else event.tag
        if is_known:
            self._fault(INVALID_VALUE, f"the tag {show(tag)} does not fit this value", event)
        else:
            help = "write the value as plain data; tags that construct objects are never followed"
            self._fault(UNSAFE_TAG, f"the tag {show(tag)} is not allowed", event, help)

    def _fault(self, code: Code, message: str, event: Any, help: str | None = None) -> None:
        self.faults.add(code, message, event.start_mark.index, event.end_mark.index, help)

    def _stop(self, code: Code, message: str, event: Any, help: str | None = None) -> NoReturn:
        self.faults.stop(code, message, event.start_mark.index, event.end_mark.index, help)


def _is_flow_mapping(event: Any) -> bool:
    return type(event) is yaml.MappingStartEvent and bool(event.flow_style)


def _is_taken(key: str | int, mapping: dict[Any, Any]) -> bool:
    """Whether a mapping has the key, in either spelling: 1 or "1"."""
    if key in mapping:
        return True
    if isinstance(key, int):
        return str(key) in mapping
    return len(key) < 20 and key.lstrip("-").isdecimal() and int(key) in mapping and str(int(key)) == key


def _apply_merges(node: _Node) -> None:
    """Add what `<<` names; the mapping's own keys come first, then those of earlier mappings."""
    for mapping, place in node.merged or ():
        for key, value in mapping.items():
            if key not in node.data:
                node.data[key] = value
                if place is not None and node.place is not None:
                    node.place.children[key] = place.child(key)


def _copy(data: Any) -> Any:
    """A copy that shares no list or mapping with `data`, so that a change to one alias changes no other."""
    if not isinstance(data, (dict, list)):
        return data
    copy = data.copy()
    unfinished = [copy]
    while unfinished:
        inside: Any = unfinished.pop()
        for step, value in list(inside.items() if isinstance(inside, dict) else enumerate(inside)):
            if isinstance(value, (dict, list)):
                inside[step] = value.copy()
                unfinished.append(inside[step])
    return copy
