"""How a short-form document is laid out as YAML: a layer a line, wherever it fits."""

from __future__ import annotations

import io
import json
from typing import Any

import yaml

from spec_compiler.dialects.yaml_text import Dumper

WIDTH = 108
"""Columns that a line of layers may take."""


class _Dumper(Dumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def dump(document: dict[str, Any]) -> str:
    """The YAML of a document that `writer.write` made."""
    root: Any = _Dumper(io.StringIO(), sort_keys=False).represent_data(document)
    _lay_out_model(root, document)
    return yaml.serialize(root, Dumper=_Dumper, allow_unicode=True, width=120)


def _lay_out_model(node: yaml.CollectionNode, model: dict[str, Any]) -> None:
    for (key, child), value in zip(node.value, model.values(), strict=True):
        if key.value == "layers":
            for item_node, item in zip(child.value, value, strict=True):
                _lay_out_item(item_node, item)
        elif key.value == "models":
            for (_, inner), nested in zip(child.value, value.values(), strict=True):
                _lay_out_model(inner, nested)
        elif key.value == "training":
            _lay_out_parts(child, value)
        else:
            _lay_out(child, value, len(key.value))


def _lay_out_item(node: yaml.CollectionNode, item: Any) -> None:
    """`Dense: {units: 3}`; with a name or the like `{Dense: {units: 3}, name: x}`; long ones a line for each part."""
    if not isinstance(item, dict):
        return
    if len(item) > 1 and _width(item) <= WIDTH:
        node.flow_style = True
    else:
        _lay_out_parts(node, item)


def _lay_out_parts(node: yaml.CollectionNode, value: dict[str, Any]) -> None:
    for (key, child), part in zip(node.value, value.values(), strict=True):
        _lay_out(child, part, len(key.value))


def _lay_out(node: yaml.CollectionNode, value: Any, indent: int) -> None:
    """Put a list or mapping on one line if it fits behind `indent` columns, else its parts, each if it fits."""
    if not isinstance(value, (dict, list)):
        return
    if indent + _width(value) <= WIDTH:
        node.flow_style = True
    elif isinstance(value, dict):
        _lay_out_parts(node, value)
    else:
        for child, part in zip(node.value, value, strict=True):
            _lay_out(child, part, 2)


def _width(value: Any) -> int:
    """Columns that the value takes on one line, quotes left out, which YAML seldom needs."""
    return len(json.dumps(value, ensure_ascii=False).replace('"', ""))
