"""A SavedModel's `keras_metadata.pb`: the model in it is read, and whatever else the file holds is a diagnostic."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from spec_compiler.loading import load_spec, parse_spec, validate
from spec_compiler.source.limits import LIMITS
from spec_compiler.specs.layers.conv import Conv2D
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import SequentialSpec


def varint(n: int) -> bytes:
    low = bytes([n & 0x7F])
    return low if n < 0x80 else bytes([n & 0x7F | 0x80]) + varint(n >> 7)


def field(number: int, value: bytes | int) -> bytes:
    """A field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def node(path: str, metadata: bytes, number: int = 0) -> bytes:
    """An object, with the fields in the order in which tf.keras writes them."""
    version = field(6, field(1, 2) + field(2, 1))
    texts = field(3, path.encode()) + field(4, b"_tf_keras_sequential") + field(5, metadata)
    return field(1, (field(2, number) if number else b"") + texts + version)


def tuple_of(*items: Any) -> dict[str, Any]:
    return {"class_name": "__tuple__", "items": list(items)}


INPUT = {"batch_input_shape": tuple_of(None, 9, 8, 3), "dtype": "float32", "name": "x"}
CONV = {"name": "conv", "filters": 4, "kernel_size": tuple_of(3, 2), "strides": tuple_of(2, 1)}
PAD = {"name": "pad", "padding": tuple_of(tuple_of(1, 2), tuple_of(0, 1))}
MODEL = {
    "name": "net",
    "trainable": True,
    "class_name": "Sequential",
    "config": {
        "name": "net",
        "layers": [
            {"class_name": "InputLayer", "config": INPUT},
            {"class_name": "Conv2D", "config": CONV},
            {"class_name": "ZeroPadding2D", "config": PAD},
        ],
    },
    "build_input_shape": {"class_name": "TensorShape", "items": [None, 9, 8, 3]},
    "keras_version": "2.9.0",
    "backend": "tensorflow",
    "training_config": {
        "loss": "mse",
        "optimizer_config": {
            "class_name": "Custom>Adam",
            "config": {"learning_rate": 0.5, "is_legacy_optimizer": False},
        },
    },
}
TEXT = json.dumps(MODEL).encode()
FILE = node("root", TEXT) + node("root.layer-0", b"{}", 1) + node("root.layer_with_weights-0", b"{}", 2)


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "keras_metadata.pb"
    path.write_bytes(data)
    return path


def test_model_is_read_from_the_file_and_from_its_folder(tmp_path: Path) -> None:
    path = saved(tmp_path, FILE)
    for source in (path, str(path), tmp_path, str(tmp_path)):
        assert str(validate(source)) == ""
        spec = load_spec(source)
        assert isinstance(spec, SequentialSpec)
        first, conv, pad = spec.layers
        assert isinstance(first, InputLayer) and first.batch_shape == (None, 9, 8, 3)
        assert isinstance(conv, Conv2D) and (conv.kernel_size, conv.strides) == ((3, 2), (2, 1))
        assert pad.get_config()["padding"] == [[1, 2], [0, 1]]
        assert spec.origin is not None and (spec.origin.dialect, spec.origin.keras_version) == ("keras2", "2.9.0")
        assert spec.training is not None and repr(spec.training.optimizer) == "Adam(learning_rate=0.5)"


def test_json_taken_out_of_the_file_is_the_same_model(tmp_path: Path) -> None:
    assert parse_spec(TEXT).members() == load_spec(saved(tmp_path, FILE)).members()
    assert parse_spec(json.dumps({"model_config": MODEL})).members() == load_spec(tmp_path).members()


def test_fault_is_placed_in_the_models_json(tmp_path: Path) -> None:
    text = TEXT.replace(b'"filters": 4', b'"filters": -4')
    column = text.index(b"-4") + 1
    report = str(validate(saved(tmp_path, node("root.x", b"{}") + node("root", text))))
    assert report.startswith(f"{tmp_path}/keras_metadata.pb!root:1:{column}: Conv2D.filters: "), report


def test_place_in_a_tuple_is_the_tuples(tmp_path: Path) -> None:
    text = TEXT.replace(b'"items": [2, 1]', b'"items": [2, 0]')
    column = text.index(b'{"class_name": "__tuple__", "items": [2, 0]') + 1
    report = str(validate(saved(tmp_path, node("root", text))))
    assert f"!root:1:{column}: Conv2D.strides: " in report, report


CUT = "the file is damaged, or no protobuf message: a field ends after the file, or after what it stands in [SC012]"
ENDLESS = "the file is damaged, or no protobuf message: a number without an end [SC012]"
NO_ROOT = "expected one object named 'root', the model; found none [SC012]"
DAMAGED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", NO_ROOT),
    "no root": (node("root.layer-0", TEXT), NO_ROOT),
    "root in a field of another number": (b"\x12" + node("root", TEXT)[1:], NO_ROOT),
    "a saved_model.pb": (field(1, 1) + field(2, field(1, b"tags")), NO_ROOT),
    "two roots": (node("root", TEXT) * 2, "expected one object named 'root', the model; found 2 [SC012]"),
    "length past the end": (b"\x0a\x05root", CUT),
    "length past the end of the node": (field(1, b"\x1a\x7f" + b"root"), CUT),
    "length of 2 to the 63": (b"\x0a" + varint(1 << 63), CUT),
    "fixed number cut short": (b"\x09\x00\x00", CUT),
    "endless number": (b"\x0a" + b"\x80" * 11, ENDLESS),
    "number cut short": (b"\x0a\x80", ENDLESS),
    "tag cut short": (b"\x80", ENDLESS),
    "group": (b"\x0b\x0c", "the file is damaged, or no protobuf message: a field of the unknown kind 3 [SC012]"),
    "kind 7": (b"\x0f", "the file is damaged, or no protobuf message: a field of the unknown kind 7 [SC012]"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    data, message = DAMAGED[name]
    path = saved(tmp_path, data)
    assert str(validate(path)).splitlines()[0] == f"{path}:1:1: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the document is empty [SC011]"),
        (b'{"class_name": "\xff"}', "byte 16 is not UTF-8: 0xff [SC006]"),
        (b'{"class_name": ', "[SC001]"),
        (b'{"weights": []}', "[SC106]"),
        (b'{"class_name": "Mine", "config": {}}', "unknown model 'Mine' [SC110]"),
    ],
)
def test_what_is_no_model_is_said_of_the_root(tmp_path: Path, text: bytes, message: str) -> None:
    path = saved(tmp_path, node("root", text))
    first = str(validate(path)).splitlines()[0]
    assert first.startswith(f"{path}!root:1:") and message in first


def test_fields_of_no_use_are_passed_over(tmp_path: Path) -> None:
    others = field(9, 300) + varint(10 << 3 | 1) + bytes(8) + varint(11 << 3 | 5) + bytes(4) + field(12, b"x")
    root = others + field(5, b"{}") + field(3, b"root") + field(5, TEXT) + others
    assert validate(saved(tmp_path, others + field(1, root) + others)).ok


def test_many_objects_take_bounded_time(tmp_path: Path) -> None:
    start = time.process_time()
    assert validate(saved(tmp_path, node("root", TEXT) + node("root.metric", b"{}", 7) * 20_000)).ok
    report = validate(saved(tmp_path, b"\x0a\x00" * (LIMITS.max_nodes + 1)))
    assert str(report).endswith("the file has more fields than a model can have [SC002]")
    assert time.process_time() - start < 5


def test_any_bytes_are_a_model_or_a_diagnostic(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(300):
        data = bytearray(FILE)
        for _ in range(rng.choice([1, 1, 3, 30])):
            at = rng.randrange(len(data))
            cut = rng.random()
            if cut < 0.2:
                del data[at:]
                data = data or bytearray(b"\x00")
            elif cut < 0.4:
                del data[at : at + rng.randrange(1, 9)]
                data = data or bytearray(b"\x00")
            else:
                data[at] = rng.randrange(256)
        report = validate(saved(tmp_path, bytes(data)))
        assert all(d.code.id != "SC901" for d in report.diagnostics)


def test_folder_without_the_file_is_a_folder(tmp_path: Path) -> None:
    assert str(validate(tmp_path)) == f"{tmp_path}:1:1: this is a folder, not a file [SC010]"
