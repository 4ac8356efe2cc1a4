"""`python -m spec_compiler.schema [folder]` writes the schemas, into `schemas/` unless told otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from spec_compiler.schema.files import FILES, text


def main(arguments: list[str]) -> int:
    """Write each schema beside its place and move it there, so that no reader sees half of one."""
    folder = Path(arguments[0] if arguments else "schemas")
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        unfinished = folder / f".{name}.{os.getpid()}"
        unfinished.write_text(text(make()), encoding="utf-8")
        unfinished.replace(folder / name)
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
