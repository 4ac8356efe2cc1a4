"""A trained model in one file: weights as safetensors, the spec in its metadata. Nothing in it is ever run."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from spec_compiler.diagnostics import (
    MISSING_WEIGHTS,
    UNEXPECTED_WEIGHTS,
    UNREADABLE_FILE,
    WEIGHT_DTYPE,
    WEIGHT_FORMAT,
    WEIGHT_SHAPE,
    Diagnostic,
    Reporter,
    SpecError,
    show,
)
from spec_compiler.dialects.write import as_it_is, as_json
from spec_compiler.writing import write_atomically

if TYPE_CHECKING:
    from spec_compiler.runtime.model import Model

SPEC_KEY = "spec_compiler.spec"
TRAINING_KEY = "spec_compiler.training"

_FEW = 10**6
"""Parameters that any machine has room for."""


def save(model: Model, path: str | Path, overwrite: bool = True) -> None:
    """Write spec, how it was compiled, and weights to `path`, a `.safetensors` file."""
    metadata = {"format": "pt", SPEC_KEY: as_json(as_it_is(model.spec))}
    config = _plain_or_none(model.get_compile_config())
    if config is not None:
        metadata[TRAINING_KEY] = config
    _write(model, Path(path), metadata, overwrite)


def save_weights(model: Model, path: str | Path, overwrite: bool = True) -> None:
    """Write the weights alone to `path`, a `.safetensors` file under torch's names."""
    _write(model, Path(path), {"format": "pt"}, overwrite)


def _plain_or_none(config: Any) -> str | None:
    try:
        return None if config is None else json.dumps(config)
    except TypeError:
        # A loss or metric of the user's own is code: it is given to compile() again after loading.
        return None


def _write(model: Model, path: Path, metadata: dict[str, str], overwrite: bool) -> None:
    from safetensors.torch import save as to_bytes

    if path.suffix != ".safetensors":
        raise ValueError(f"expected a path that ends in .safetensors, got '{path}'")
    if path.exists() and not overwrite:
        raise FileExistsError(f"'{path}' exists; pass overwrite=True to replace it")
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.module.state_dict().items()}
    write_atomically(path, _in_order(to_bytes(tensors, metadata)))


def _in_order(data: bytes) -> bytes:
    """A safetensors file with its metadata sorted: safetensors writes it in any order, and equal models are equal bytes."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors start at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[start:]


def load_model(path: str | Path) -> Model:
    """The model in a file: a spec of any dialect, with new weights; or a `.safetensors` file that `save` wrote.

    Raises SpecError when the file cannot be read, is no model, or its weights are another model's.
    """
    from spec_compiler.loading import load_spec, parse_spec
    from spec_compiler.runtime.model import Model

    path = Path(path)
    if path.suffix != ".safetensors":
        return Model.from_spec(load_spec(path))
    with _open(path) as file:
        metadata = file.metadata() or {}
        if SPEC_KEY not in metadata:
            help = "build the model from its spec, and call load_weights()"
            raise SpecError(Diagnostic(WEIGHT_FORMAT, f"'{path}' holds weights but no spec", help=help))
        model = Model.from_spec(parse_spec(metadata[SPEC_KEY], f"{path} ({SPEC_KEY})"))
        _check_size(model, file, path)
        _read(model, file, path)
    if TRAINING_KEY in metadata:
        _compile(model, metadata[TRAINING_KEY], path)
    return model


def _compile(model: Model, text: str, path: Path) -> None:
    from spec_compiler.source import parse

    config = parse(text, f"{path} ({TRAINING_KEY})", "json").data
    allowed = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
    if not isinstance(config, dict) or any(key not in allowed for key in config):
        raise SpecError(Diagnostic(WEIGHT_FORMAT, f"'{path}' does not say how to train in a form that is known"))
    model.compile_from_config(config)


def load_weights(model: Model, path: str | Path) -> None:
    """Read weights into `model` from a `.safetensors` file. Raises SpecError, and changes nothing, when they do not fit."""
    with _open(Path(path)) as file:
        _read(model, file, Path(path))


def _open(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise SpecError(Diagnostic(UNREADABLE_FILE, f"'{path}' is no file"))
    try:
        return safe_open(str(path), framework="pt")
    except (SafetensorError, OSError) as error:
        raise SpecError(Diagnostic(WEIGHT_FORMAT, f"'{path}' is no safetensors file: {error}")) from None


def _check_size(model: Model, file: Any, path: Path) -> None:
    """Refuse a file with far fewer numbers than the model has, before there is memory for them; else `_faults` tells."""
    if not model.built:
        return
    held = sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (no mapping)
    needed = model.count_params()
    if needed > 2 * held + _FEW:
        message = f"the model has {needed:,} parameters, and '{path}' holds {held:,} numbers"
        raise SpecError(Diagnostic(MISSING_WEIGHTS, message))


@torch.no_grad()
def _read(model: Model, file: Any, path: Path) -> None:
    held = model.module.state_dict()
    faults = _faults(held, {name: file.get_slice(name) for name in file.keys()}, path)  # noqa: SIM118 (no mapping)
    reporter = Reporter()
    reporter.extend(faults)
    reporter.raise_if_errors()
    for name, tensor in held.items():
        tensor.copy_(file.get_tensor(name))


def _faults(held: dict[str, Any], stored: dict[str, Any], path: Path) -> list[Diagnostic]:
    """Where names, shapes or dtypes differ; the header alone is read."""
    faults = [Diagnostic(MISSING_WEIGHTS, f"'{path}' lacks {show(name)}") for name in held if name not in stored]
    faults += [
        Diagnostic(UNEXPECTED_WEIGHTS, f"'{path}' holds {show(name)}, which the model has not")
        for name in stored
        if name not in held
    ]
    for name, tensor in held.items():
        if name not in stored:
            continue
        if list(tensor.shape) != stored[name].get_shape():
            message = (
                f"'{name}' is {tuple(tensor.shape)} in the model and {tuple(stored[name].get_shape())} in '{path}'"
            )
            faults.append(Diagnostic(WEIGHT_SHAPE, message))
        elif tensor.is_floating_point() != (stored[name].get_dtype()[0] in "FB" and stored[name].get_dtype() != "BOOL"):
            faults.append(Diagnostic(WEIGHT_DTYPE, f"'{name}' is {stored[name].get_dtype()} in '{path}'"))
    return faults
