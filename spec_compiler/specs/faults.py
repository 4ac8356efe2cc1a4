"""pydantic's validation errors as diagnostics: in the file's words, at the file's place."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import partial
from typing import TYPE_CHECKING, Any

from spec_compiler.diagnostics import (
    INVALID_VALUE,
    MISSING_ARGUMENT,
    UNKNOWN_ARGUMENT,
    UNKNOWN_OBJECT,
    UNSAFE_PATH,
    Reporter,
    did_you_mean,
    show,
)

if TYPE_CHECKING:
    from pydantic import ValidationError

    from spec_compiler.specs.base import SpecObject


def report_faults(
    error: ValidationError,
    cls: type[SpecObject],
    path: tuple[str | int, ...],
    reporter: Reporter,
    skip: Container[str] = (),
) -> None:
    """Report every fault of `error`, found while validating a `cls` whose arguments stand at `path`.

    The arguments in `skip` are passed over: what is wrong with them has been reported.
    """
    called = cls.called or cls.__name__
    for fault in error.errors(include_url=False):
        loc = tuple(part for part in fault["loc"] if isinstance(part, (str, int)))
        field = str(loc[0]) if loc else ""
        if field in skip:
            continue
        if fault["type"] == "extra_forbidden":
            help = partial(did_you_mean, field, cls.model_fields)
            reporter.report(
                UNKNOWN_ARGUMENT, f"{called} has no argument '{field}'", (*path, field), help=help, on_key=True
            )
        elif fault["type"] == "missing" and len(loc) > 1:
            message = f"{called}.{field}: expected more values, got {show(fault['input'])}"
            reporter.report(INVALID_VALUE, message, (*path, field))
        elif fault["type"] == "missing":
            reporter.report(MISSING_ARGUMENT, f"{called} needs the argument '{field}'", path)
        elif "error" in fault.get("ctx", {}) and fault["type"] == "invalid_object":
            inner = fault["ctx"]
            report_faults(inner["error"], inner["class"], (*path, *loc, *inner["at"]), reporter)
        else:
            _report_value(fault, cls, (*path, *loc), reporter)


def _report_value(fault: Any, cls: type[SpecObject], path: tuple[str | int, ...], reporter: Reporter) -> None:
    context = fault.get("ctx", {})
    at = context.get("at", ())
    path = (*path, *at)
    message = fault["msg"].removeprefix("Value error, ")
    called = cls.called or cls.__name__
    where = f"{called}.{fault['loc'][0]}: " if fault["loc"] else f"{called}: "
    if fault["type"] == "unknown_object":
        on_key = at[-1:] not in ((), ("class_name",))
        reporter.report(UNKNOWN_OBJECT, where + message, path, help=context.get("help") or None, on_key=on_key)
        return
    if fault["type"] == "unsafe_path":
        reporter.report(UNSAFE_PATH, where + message, path, help=context.get("help") or None)
        return
    message = message[0].lower() + message[1:]
    got = "" if fault["type"] in ("object_form", "invalid_object", "value_error") else f", got {show(fault['input'])}"
    reporter.report(INVALID_VALUE, where + _expected(message) + got, path)


def _expected(message: str) -> str:
    """pydantic's `input should be greater than 0` in our words: `expected a number greater than 0`."""
    message = message.replace("input should be", "expected")
    return re.sub("^expected (greater|less) than", r"expected a number \1 than", message)
