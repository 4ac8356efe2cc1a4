"""From files, text and mappings to model specs: `load_spec`, `parse_spec`, `validate`, `validate_text`. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spec_compiler.diagnostics import (
    BAD_ARCHIVE,
    INVALID_VALUE,
    LIMIT_EXCEEDED,
    NON_FINITE_NUMBER,
    UNSUPPORTED,
    Diagnostic,
    Report,
    Reporter,
    Span,
    SpecError,
    show,
)
from spec_compiler.dialects import read, read_data
from spec_compiler.source import LIMITS, Document, load, parse
from spec_compiler.specs.model import ModelSpec

if TYPE_CHECKING:
    from spec_compiler.passes.check_budget import Budget

Source = str | os.PathLike[str] | Mapping[str, Any]

_HDF5 = (".h5", ".hdf5", ".hdf", ".he5")
_METADATA = "keras_metadata.pb"


def load_spec(source: Source) -> ModelSpec:
    """The model that a file states, or a mapping in hand, as `json.load` gives it.

    A file is JSON or YAML, of any Keras or in the short form, a `.keras` archive, or the folder of a SavedModel with
    its `keras_metadata.pb`. Raises SpecError with every fault; its message is what `validate` prints.
    """
    return _sound(*_load(source))


def load_reporting(source: Source) -> tuple[ModelSpec, Reporter]:
    """The same as `load_spec`, with the reporter that knows the places in the file, for what is found later."""
    reporter, spec = _load(source)
    return _sound(reporter, spec), reporter


def parse_reporting(text: str | bytes, name: str = "<string>") -> tuple[ModelSpec, Reporter]:
    """The same as `parse_spec`, with the reporter that knows the places in the text."""
    reporter, spec = _parse(text, name)
    return _sound(reporter, spec), reporter


def parse_spec(text: str | bytes, name: str = "<string>") -> ModelSpec:
    """The model that a text of JSON or YAML states; raises SpecError with every fault, `name` standing for the text."""
    return _sound(*_parse(text, name))


def validate(source: Source, *, budget: Budget | None = None) -> Report:
    """All that is wrong with a model, in a file or a mapping in hand: names, arguments, references, shapes and sizes.

    Never raises for a bad spec or a file that cannot be read; `.ok` says whether there are errors, `str()` prints all.
    """
    return _checked(*_load(source), budget)


def validate_text(text: str | bytes, name: str = "<string>", *, budget: Budget | None = None) -> Report:
    """All that is wrong with a model in a text of JSON or YAML; `name` stands for it in places."""
    return _checked(*_parse(text, name), budget)


def _sound(reporter: Reporter, spec: ModelSpec | None) -> ModelSpec:
    reporter.raise_if_errors()
    assert spec is not None  # or an error was reported
    return spec


def _checked(reporter: Reporter, spec: ModelSpec | None, budget: Budget | None) -> Report:
    if spec is not None:
        from spec_compiler.passes import BUDGET, check

        check(spec, reporter, budget or BUDGET)
    return reporter.result()


def _parse(text: str | bytes, name: str) -> tuple[Reporter, ModelSpec | None]:
    try:
        return _read(parse(text, name))
    except SpecError as error:
        return _failed(error)


def _load(source: Source) -> tuple[Reporter, ModelSpec | None]:
    if isinstance(source, Mapping):
        return _read_mapping(dict(source))
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"expected a path or a mapping, got {type(source).__name__}")
    try:
        metadata = Path(source, _METADATA)
        if os.path.isfile(metadata):  # noqa: PTH113 (Path's raises where a folder may not be entered)
            source = metadata
        suffix = Path(source).suffix.lower()
        if suffix in _HDF5:
            raise _refused(source, "the model in an HDF5 file cannot be read yet", "write it out with model.to_json()")
        if suffix == ".pb":
            return _read_saved_model(source)
        return _read_archive(source) if suffix == ".keras" else _read(load(source))
    except SpecError as error:
        return _failed(error)


def _failed(error: SpecError) -> tuple[Reporter, None]:
    reporter = Reporter()
    reporter.extend(error.diagnostics)
    return reporter, None


def _read(document: Document, keras_version: str | None = None) -> tuple[Reporter, ModelSpec | None]:
    reporter = Reporter(document)
    reporter.extend(document.warnings)
    return reporter, read(document, reporter, keras_version)


def _read_archive(path: str | os.PathLike[str]) -> tuple[Reporter, ModelSpec | None]:
    from spec_compiler.source.archive import read_member

    config = read_member(path, "config.json")
    if config is None:
        message = "the archive has no 'config.json', so it holds no model"
        raise SpecError(Diagnostic(BAD_ARCHIVE, message, span=Span(os.fspath(path), 1, 1)))
    version = _version(read_member(path, "metadata.json"))
    return _read(parse(config, f"{os.fspath(path)}!config.json", "json"), version)


def _read_saved_model(metadata: str | os.PathLike[str]) -> tuple[Reporter, ModelSpec | None]:
    from spec_compiler.source.saved_metadata import read_root

    return _read(parse(read_root(metadata), f"{os.fspath(metadata)}!root", "json"))


def _version(metadata: bytes | None) -> str | None:
    """The Keras version in an archive's `metadata.json`, if that is readable."""
    try:
        data = parse(metadata or b"", "metadata.json", "json").data
    except SpecError:
        return None
    version = data.get("keras_version") if isinstance(data, dict) else None
    return version if isinstance(version, str) else None


def _read_mapping(data: dict[Any, Any]) -> tuple[Reporter, ModelSpec | None]:
    reporter = Reporter()
    if not _is_plain(data, reporter):
        return reporter, None
    return reporter, read_data(data, reporter)


def _is_plain(data: Any, reporter: Reporter) -> bool:
    """Whether a value in hand could have come from a file: plain data within the limits; reported when not."""
    try:
        for value, path in leaves(data, "the mapping is too {} for a model"):
            if isinstance(value, float) and value - value != 0.0:
                reporter.report(NON_FINITE_NUMBER, f"{value} is no number a model can hold", path)
                return False
            if value is not None and not isinstance(value, (str, int, float)):
                message = f"expected plain data (mappings, lists, text, numbers), got {show(value)}"
                reporter.report(INVALID_VALUE, message, path)
                return False
    except SpecError as error:
        reporter.extend(error.diagnostics)
        return False
    return True


def leaves(data: Any, message: str) -> Iterator[tuple[Any, tuple[str | int, ...]]]:
    """What stands in a nest of mappings and lists, and where; raises SpecError where the nest is beyond the limits.

    So it does where a mapping holds itself. `message` has a place for `large` or `deeply nested`.
    """
    pending: list[tuple[Any, int, tuple[str | int, ...]]] = [(data, 1, ())]
    nodes = 0
    while pending:
        value, depth, path = pending.pop()
        nodes += 1
        if depth > LIMITS.max_depth or nodes > LIMITS.max_nodes:
            what = "deeply nested" if depth > LIMITS.max_depth else "large"
            raise SpecError(Diagnostic(LIMIT_EXCEEDED, message.format(what), path=path[:8]))
        if isinstance(value, dict):
            pending += [(one, depth + 1, (*path, key)) for key, one in value.items()]
        elif isinstance(value, (list, tuple)):
            pending += [(one, depth + 1, (*path, i)) for i, one in enumerate(value)]
        else:
            yield value, path


def _refused(path: str | os.PathLike[str], message: str, help: str) -> SpecError:
    return SpecError(Diagnostic(UNSUPPORTED, message, span=Span(os.fspath(path), 1, 1), help=help))
