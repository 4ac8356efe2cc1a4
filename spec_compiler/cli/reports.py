"""Findings as text, and as what continuous-integration services read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spec_compiler.diagnostics import Diagnostic, Report, plain

Reports = Mapping[str, Report]
"""By file, in the order given."""

GITHUB_LEVELS = {"error": "error", "warning": "warning"}


def to_text(reports: Reports) -> str:
    """`file:line:column: message [code]` a line, help below it."""
    return "\n".join(text for report in reports.values() if (text := str(report)))


def to_json(reports: Reports) -> str:
    """A list of findings, each an object; `file` is the name it was given by."""
    import json

    found = [{"file": name, **diagnostic.to_dict()} for name, diagnostic in _all(reports)]
    return json.dumps(found, indent=2, ensure_ascii=False)


def to_github(reports: Reports) -> str:
    """GitHub's workflow commands: each finding becomes an annotation of its line.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
    """
    return "\n".join(_annotation(name, diagnostic) for name, diagnostic in _all(reports))


def _annotation(name: str, diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    properties = {
        "file": span.file if span is not None else name,
        "title": f"{diagnostic.code.id} {diagnostic.code.slug}",
    }
    if span is not None:
        properties |= {"line": str(span.line), "col": str(span.column)}
    stated = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
    return f"::{GITHUB_LEVELS[diagnostic.severity]} {stated}::{_escaped(_message(diagnostic), '')}"


def _escaped(text: str, more: str) -> str:
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + more else c for c in text)


def _message(diagnostic: Diagnostic) -> str:
    return plain(diagnostic.message) + (f"\nhelp: {plain(diagnostic.help)}" if diagnostic.help else "")


def to_sarif(reports: Reports) -> str:
    """SARIF 2.1.0, which code-scanning services read. https://docs.oasis-open.org/sarif/sarif/v2.1.0/"""
    import json

    from spec_compiler import __version__

    found = list(_all(reports))
    codes = {diagnostic.code.id: diagnostic.code for _, diagnostic in found}
    rules = [
        {
            "id": code.id,
            "name": code.slug,
            "shortDescription": {"text": code.summary},
            "fullDescription": {"text": code.explanation},
        }
        for code in codes.values()
    ]
    driver = {"name": "spec-compiler", "version": __version__, "rules": rules}
    results = [_sarif_result(name, diagnostic, list(codes).index(diagnostic.code.id)) for name, diagnostic in found]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _sarif_result(name: str, diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    from urllib.parse import quote

    span = diagnostic.span
    file = (span.file if span is not None else name).replace("\\", "/")
    uri = ("file://" if file.startswith("/") else "") + quote(file)
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if span is not None:
        region = {"startLine": span.line, "startColumn": span.column}
        ends = {"endLine": span.end_line, "endColumn": span.end_column}
        place["region"] = region | {key: end for key, end in ends.items() if end is not None}
    return {
        "ruleId": diagnostic.code.id,
        "ruleIndex": rule,
        "level": diagnostic.severity,
        "message": {"text": _message(diagnostic)},
        "locations": [{"physicalLocation": place}],
    }


def to_junit(reports: Reports) -> str:
    """JUnit's XML: a test a file, failed when it has an error."""
    from xml.etree import ElementTree as tree

    failed = sum(not report.ok for report in reports.values())
    root = tree.Element("testsuites")
    counts = {"tests": str(len(reports)), "failures": str(failed), "errors": "0"}
    suite = tree.SubElement(root, "testsuite", {"name": "spec-compiler validate", **counts})
    for name, report in reports.items():
        case = tree.SubElement(suite, "testcase", {"classname": "validate", "name": plain(name)})
        if not report.ok:
            first = plain(report.errors[0].message)
            tree.SubElement(case, "failure", {"message": first}).text = str(report)
        elif report.warnings:
            tree.SubElement(case, "system-out").text = str(report)
    tree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tree.tostring(root, encoding="unicode")


def _all(reports: Reports) -> list[tuple[str, Diagnostic]]:
    return [(name, diagnostic) for name, report in reports.items() for diagnostic in report.diagnostics]


FORMATS: dict[str, Callable[[Reports], str]] = {
    "text": to_text,
    "json": to_json,
    "github": to_github,
    "sarif": to_sarif,
    "junit": to_junit,
}
