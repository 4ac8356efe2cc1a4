"""The model in a SavedModel's `keras_metadata.pb`, which tf.keras wrote from TensorFlow 2.5 to 2.15.

The file is a protobuf message: field 1, for each object that was saved, a message with the object's `node_path` (3),
`root` for the model, and its `metadata` (5), which is JSON.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from spec_compiler.diagnostics import BAD_ARCHIVE, LIMIT_EXCEEDED, Code, Diagnostic, Span, SpecError
from spec_compiler.source.files import read_bytes
from spec_compiler.source.limits import LIMITS, Limits

_NODES, _NODE_PATH, _METADATA = 1, 3, 5
_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
_LONGEST_VARINT = 10


def read_root(path: str | os.PathLike[str], limits: Limits = LIMITS) -> bytes:
    """The model's JSON; raises SpecError for a file that cannot be read, is damaged, or holds no model."""
    name = os.fspath(path)
    saved = _Message(name, limits)
    roots = []
    for number, node in saved.fields(memoryview(read_bytes(path, limits))):
        if number == _NODES:
            fields = dict(saved.fields(node))
            if bytes(fields.get(_NODE_PATH, b"")) == b"root":
                roots.append(fields.get(_METADATA, memoryview(b"")))
    if len(roots) != 1:
        message = f"expected one object named 'root', the model; found {len(roots) or 'none'}"
        help = "a SavedModel says what its model is in its `keras_metadata.pb`, if tf.keras saved it"
        raise _refused(BAD_ARCHIVE, name, message, help)
    return bytes(roots[0])


class _Message:
    """Takes messages apart, those of one file, down to so many fields in all."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.left = limits.max_nodes

    def fields(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """The number and the bytes of each field that has any; numbers in a message are passed over."""
        at = 0
        while at < len(data):
            if self.left == 0:
                raise _refused(LIMIT_EXCEEDED, self.name, "the file has more fields than a model can have")
            self.left -= 1
            tag, at = self._varint(data, at)
            kind = tag & 7
            if kind == _VARINT:
                at = self._varint(data, at)[1]
                continue
            start = at
            if kind == _BYTES:
                size, start = self._varint(data, at)
            elif kind in _FIXED:
                size = _FIXED[kind]
            else:
                raise self._damaged(f"a field of the unknown kind {kind}")
            at = start + size
            if at > len(data):
                raise self._damaged("a field ends after the file, or after what it stands in")
            if kind == _BYTES:
                yield tag >> 3, data[start:at]

    def _varint(self, data: memoryview, at: int) -> tuple[int, int]:
        """The number that begins at `at`, seven bits a byte, lowest first; and where it ends."""
        value = 0
        for i, byte in enumerate(data[at : at + _LONGEST_VARINT]):
            value |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                return value, at + i + 1
        raise self._damaged("a number without an end")

    def _damaged(self, what: str) -> SpecError:
        return _refused(BAD_ARCHIVE, self.name, f"the file is damaged, or no protobuf message: {what}")


def _refused(code: Code, name: str, message: str, help: str | None = None) -> SpecError:
    return SpecError(Diagnostic(code, message, span=Span(name, 1, 1), help=help))
