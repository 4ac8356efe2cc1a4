"""`.safetensors` files that lie: refused by what is wrong with them, before there is memory for what they claim."""

from __future__ import annotations

import copy
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spec_compiler import Input, Sequential, layers
from spec_compiler.diagnostics import SpecError
from spec_compiler.models import load_model
from spec_compiler.runtime.saving import SPEC_KEY, TRAINING_KEY


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes, list[Any]]:
    """Header and body of a trained model's file, and its weights."""
    model = Sequential([Input((3,)), layers.Dense(2, name="d")])
    model.compile("sgd", "mse")
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model.save(path)
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:start]), data[start:], model.get_weights()


def write(path: Path, header: Any, body: bytes, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + body)
    return path


def fault(path: Path) -> str:
    started = time.process_time()
    with pytest.raises(SpecError) as caught:
        load_model(path)
    assert time.process_time() - started < 5
    assert str(path) in str(caught.value)
    return str(caught.value)


BIAS = "d.bias"
HEADERS: dict[str, dict[str, Any]] = {
    "petabytes": {BIAS: {"dtype": "F32", "shape": [2**40, 2**10], "data_offsets": [0, 2**52]}},
    "overflow": {BIAS: {"dtype": "F32", "shape": [2**63, 2**63], "data_offsets": [0, 8]}},
    "overlap": {BIAS: {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}},
    "backwards": {BIAS: {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}},
    "negative": {BIAS: {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
    "another shape": {BIAS: {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}},
    "another size": {BIAS: {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]}},
    "another type": {BIAS: {"dtype": "I32", "shape": [2], "data_offsets": [0, 8]}},
    "a type of the future": {BIAS: {"dtype": "X1", "shape": [2], "data_offsets": [0, 8]}},
    "numbers as metadata": {"__metadata__": {"a": 1}},
    "no metadata": {"__metadata__": None},
    "a long name": {"x" * 10**6: {"dtype": "F32", "shape": [0], "data_offsets": [32, 32]}},
    "many names": {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [32, 32]} for i in range(100_000)},
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_lie_are_refused(tmp_path: Path, file: Any, case: str) -> None:
    header, body, _ = file
    assert len(fault(write(tmp_path / "m.safetensors", {**header, **HEADERS[case]}, body))) < 300_000


@pytest.mark.parametrize("length", [0, 1, 2**30, 2**63, 2**64 - 1])
def test_length_of_the_header_is_held_against_the_file(tmp_path: Path, file: Any, length: int) -> None:
    header, body, _ = file
    assert "is no safetensors file" in fault(write(tmp_path / "m.safetensors", header, body, length))


@pytest.mark.parametrize(
    "text", [b"", b"{" * 100, b"[" * 10**6, b'{"a":' * 10**5, b" " * 10**7, b"\0" * 100, b"\xff{}"]
)
def test_headers_that_are_no_json_are_refused(tmp_path: Path, text: bytes) -> None:
    assert "is no safetensors file" in fault(write(tmp_path / "m.safetensors", text, b""))


SPECS = {
    "layers: [Densee]": "unknown layer 'Densee'",
    "": "the document is empty",
    "!!python/object/apply:os.system [id]": "is not allowed",
    # Within the budget of what may be built at all, and far beyond the file: 324 GB.
    "inputs: {x: [900000]}\nlayers: [{Dense: {units: 90000}}]": "the model has 81,000,090,000 parameters, and",
}


@pytest.mark.parametrize("spec", SPECS)
def test_specs_that_the_weights_do_not_fit_are_refused(tmp_path: Path, file: Any, spec: str) -> None:
    header, body, _ = file
    metadata = {**header["__metadata__"], SPEC_KEY: spec}
    assert SPECS[spec] in fault(write(tmp_path / "m.safetensors", {**header, "__metadata__": metadata}, body))


@pytest.mark.parametrize(
    "training",
    [
        "", "[]", "NaN", "[" * 1_000, '{"run": 1}', '{"optimizer": 3, "loss": "mse"}', '{"loss": {"class_name": "os"}}',
        '{"optimizer": "sgd", "loss": {"class_name": "__lambda__", "config": {"value": "x"}}}',
        '{"optimizer": "sgd", "loss": "mse", "loss_weights": "x"}',
    ],
)  # fmt: skip
def test_training_that_cannot_be_is_refused(tmp_path: Path, file: Any, training: str) -> None:
    header, body, _ = file
    metadata = {**header["__metadata__"], TRAINING_KEY: training}
    with pytest.raises(SpecError):
        load_model(write(tmp_path / "m.safetensors", {**header, "__metadata__": metadata}, body))


@pytest.mark.parametrize("size", [0, 7, 8, 20, 10**12])
def test_files_of_nothing_are_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "m.safetensors"
    with path.open("wb") as empty:
        empty.truncate(size)
    assert "is no safetensors file" in fault(path)


def check_mutations(folder: Path, file: Any, seed: int, rounds: int) -> None:
    header, body, weights = file
    rng = random.Random(seed)
    odd = [0, -1, 1, 2, 8, 32, 2**63, 1.5, None, "F32", "F16", "", [], [2], [8, 16], {}, True, "\ud800", "x" * 100]
    for _ in range(rounds):
        changed, data = copy.deepcopy(header), bytearray(body)
        place = rng.choice([changed, *(changed[name] for name in (BIAS, "d.weight", "__metadata__"))])
        key = rng.choice([*place, "more"])
        kind = rng.randrange(4)
        if kind == 0:
            place.pop(key, None)
        elif kind == 1:
            place[key] = rng.choice(odd)
        elif kind == 2 and isinstance(place.get(key), list):
            place[key][rng.randrange(len(place[key]))] = rng.choice(odd)
        else:
            del data[rng.randrange(len(data)) :]
        path = write(folder / "m.safetensors", changed, bytes(data))
        try:
            model = load_model(path)
        except SpecError:
            continue
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(model.get_weights(), weights, strict=True))


def test_mutated_files(tmp_path: Path, file: Any) -> None:
    check_mutations(tmp_path, file, seed=1, rounds=150)


@pytest.mark.slow
def test_many_mutated_files(tmp_path: Path, file: Any) -> None:
    check_mutations(tmp_path, file, seed=2, rounds=3_000)
