"""`load_spec`, `parse_spec`, `validate`: files, archives, texts and mappings; faults said the same way by all."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.loading import load_spec, parse_spec, validate, validate_text

KERAS3 = Path(__file__).parent / "keras3"
BROKEN = Path(__file__).parent / "err" / "arguments.yaml"
GOOD = KERAS3 / "shared_layer.json"


def archive(path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def test_file_text_and_mapping_give_the_same_model() -> None:
    from_file = load_spec(GOOD)
    assert from_file.members() == parse_spec(GOOD.read_text()).members()
    assert from_file.members() == load_spec(json.loads(GOOD.read_text())).members()
    assert from_file.members() == load_spec(str(GOOD)).members()


def test_keras_archive_is_read_by_member_name(tmp_path: Path) -> None:
    members = [
        ("metadata.json", b'{"keras_version": "3.15.1", "date_saved": "2026-01-01"}'),
        ("config.json", GOOD.read_bytes()),
        ("model.weights.h5", b"not looked at"),
        ("../evil", b"not looked at"),
    ]
    spec = load_spec(archive(tmp_path / "model.keras", members))
    assert spec.members() == load_spec(GOOD).members()
    assert spec.origin is not None and spec.origin.keras_version == "3.15.1"
    assert not (tmp_path.parent / "evil").exists()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("metadata.json", b"{}")], "the archive has no 'config.json', so it holds no model [SC012]"),
        ([("config.json", b"{}"), ("config.json", b"{}")], "the archive has two members named 'config.json' [SC012]"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_odd_archive_is_refused(tmp_path: Path, members: Any, message: str) -> None:
    path = archive(tmp_path / "model.keras", members)
    assert str(validate(path)) == f"{path}:1:1: {message}"


def test_archive_packed_by_another_method_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", [("config.json", GOOD.read_bytes())], zipfile.ZIP_LZMA)
    assert "packed by a method other than deflate" in str(validate(path))


def test_encrypted_and_linked_members_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", [("config.json", GOOD.read_bytes())])
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    (tmp_path / "secret.keras").write_bytes(data)
    assert "is encrypted" in str(validate(tmp_path / "secret.keras"))
    info = zipfile.ZipInfo("config.json")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.keras", "w") as file:
        file.writestr(info, b"/etc/passwd")
    assert "is a link" in str(validate(tmp_path / "link.keras"))


def test_archive_bomb_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("config.json", "w") as member:
        for _ in range(80):
            member.write(b" " * 2**20)
    assert path.stat().st_size < 2**20
    assert "is larger than 67,108,864 bytes" in str(validate(path))


@pytest.mark.parametrize("cut", [10, 100, -30])
def test_damaged_archive_is_refused(tmp_path: Path, cut: int) -> None:
    path = archive(tmp_path / "model.keras", [("config.json", GOOD.read_bytes())])
    path.write_bytes(path.read_bytes()[:cut])
    report = validate(path)
    assert [d.code.slug for d in report.errors] == ["bad-archive"]


def test_archive_with_flipped_bytes_never_raises(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", [("config.json", GOOD.read_bytes()), ("metadata.json", b"{}")])
    data = path.read_bytes()
    for at in range(0, len(data), 7):
        broken = bytearray(data)
        broken[at] ^= 0xFF
        path.write_bytes(broken)
        validate(path)


@pytest.mark.parametrize("name", ["missing.json", "missing.keras", "folder", "folder.keras", "model.h5"])
def test_unreadable_file_is_a_diagnostic(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.keras").mkdir()
    report = validate(tmp_path / name)
    assert len(report.errors) == 1
    with pytest.raises(SpecError) as error:
        load_spec(tmp_path / name)
    assert str(error.value) == str(report)


def test_error_message_is_what_validate_prints() -> None:
    with pytest.raises(SpecError) as error:
        load_spec(BROKEN)
    assert str(error.value) == str(validate(BROKEN))
    text = BROKEN.read_text()
    with pytest.raises(SpecError) as from_text:
        parse_spec(text)
    assert str(from_text.value) == str(validate_text(text)) == str(error.value).replace(str(BROKEN), "<string>")


def test_validate_checks_shapes_too() -> None:
    document = json.loads(GOOD.read_text())
    document["config"]["layers"][0]["config"]["batch_shape"] = [None]
    assert [d.code.slug for d in validate(document).errors] == ["bad-rank"]


def test_faults_of_a_mapping_in_hand_stand_at_their_path() -> None:
    layers = [{"class_name": "Dense", "config": {"units": 0}}]
    report = validate({"model_config": {"class_name": "Sequential", "config": {"layers": layers}}})
    assert (
        str(report)
        == "model_config.config.layers[0].config.units: Dense.units: expected a number greater than 0, got 0 [SC104]"
    )


def test_json_in_a_json_string_in_a_wrapping_is_opened() -> None:
    text = json.dumps({"model_config": GOOD.read_text()})
    assert parse_spec(text).members() == load_spec(GOOD).members()
    assert parse_spec(json.dumps(GOOD.read_text())).members() == load_spec(GOOD).members()
    assert (
        parse_spec(b"\xef\xbb\xbf" + GOOD.read_bytes().replace(b"\n", b"\r\n")).members() == load_spec(GOOD).members()
    )


@pytest.mark.parametrize("source", [3, None, [1], io.StringIO("{}")])
def test_what_is_no_source_is_a_type_error(source: Any) -> None:
    with pytest.raises(TypeError, match="expected a path or a mapping"):
        validate(source)


def test_training_config_that_cannot_be_resolved_is_a_warning() -> None:
    document = json.loads(GOOD.read_text())
    document["compile_config"] = {
        "optimizer": {"class_name": "Lion9", "config": {}},
        "loss": "mse",
        "metrics": ["mine"],
    }
    report = validate(document)
    assert report.ok
    assert [(d.code.slug, d.path) for d in report.warnings] == [
        ("bad-training", ("compile_config", "optimizer")),
        ("bad-training", ("compile_config", "metrics")),
    ]
    training = load_spec(document).training
    assert training is not None and training.loss is not None and training.optimizer is None


def test_keras2_training_config_is_read() -> None:
    layers = [{"class_name": "Dense", "config": {"units": 1, "batch_input_shape": [None, 2]}}]
    metric = {
        "class_name": "MeanMetricWrapper",
        "config": {"name": "accuracy", "dtype": "float32", "fn": "binary_accuracy"},
    }
    optimizer = {"class_name": "Adam", "config": {"lr": 0.5, "decay": 0.0, "jit_compile": False}}
    spec = load_spec(
        {
            "model_config": json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}}),
            "training_config": {"optimizer_config": optimizer, "loss": "mse", "metrics": [[metric]]},
        }
    )
    assert spec.training is not None
    assert spec.training.optimizer.learning_rate == 0.5
    assert len(spec.training.metrics) == 1


def test_reading_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, spec_compiler as sc; "
        f"assert sc.validate({str(GOOD)!r}).ok; "
        "from spec_compiler.dialects.write import to_yaml; "
        f"[to_yaml(sc.load_spec({str(GOOD)!r}), d) for d in ('keras2', 'keras3')]; "
        "assert not {'torch', 'numpy', 'h5py'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
