"""What tf.keras writes in a SavedModel's metadata for values that JSON has no words for: tuples and shapes."""

from __future__ import annotations

from typing import Any

from spec_compiler.dialects.detect import Detected

_LISTS = ("__tuple__", "TensorShape")


def opened(found: Detected) -> Detected:
    """The model with lists in their place, as tf.keras's `to_json` has them; itself where there are none."""
    if not _holds_any(found.data):
        return found
    data = _opened(found.data)
    return found._replace(data=data, around=(*found.around[:-1], data))


def _holds_any(data: Any) -> bool:
    pending = [data]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if _is_list(value):
                return True
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return False


def _opened(value: Any) -> Any:
    if isinstance(value, list):
        return [_opened(one) for one in value]
    if not isinstance(value, dict):
        return value
    if _is_list(value):
        return [_opened(one) for one in value["items"]]
    return {key: _opened(one) for key, one in value.items()}


def _is_list(value: dict[str, Any]) -> bool:
    return len(value) == 2 and value.get("class_name") in _LISTS and isinstance(value.get("items"), list)
