"""TensorFlow.js: Keras 2's layers, with a null for whatever was not given."""

from __future__ import annotations

from spec_compiler.dialects.arguments import Arguments, Rules

_NULL_SAYS_SOMETHING = ("merge_mode",)


def _without_nulls(args: Arguments) -> None:
    args.values = {k: v for k, v in args.values.items() if v is not None or k in _NULL_SAYS_SOMETHING}


RULES = Rules(steps={"*": _without_nulls})
