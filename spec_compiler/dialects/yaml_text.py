"""Plain data as YAML that both YAML 1.2, which we read, and 1.1, which PyYAML and old Keras read, understand alike."""

from __future__ import annotations

from typing import Any

import yaml

from spec_compiler.source import LIMITS
from spec_compiler.source.yaml_scalars import ScalarError, resolve


class Dumper(yaml.SafeDumper):
    """Writes words so that no reader takes them for something else, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True  # an object that stands twice is written twice


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if _is_plain(text) else "'")


def _is_plain(text: str) -> bool:
    # `1e3` is a word in YAML 1.1 and a number in 1.2; PyYAML quotes only what the former takes for something else.
    try:
        return resolve(text, LIMITS) == text
    except ScalarError:
        return False


Dumper.add_representer(str, _text)


def dump(data: Any) -> str:
    """`data` as YAML, keys in their order."""
    return yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)
