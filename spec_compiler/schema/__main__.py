"""`python -m spec_compiler.schema [folder]` writes the schemas, into `schemas/` unless told otherwise."""

from __future__ import annotations

import sys
from pathlib import Path

from spec_compiler.schema.files import FILES, text
from spec_compiler.writing import write_atomically


def main(arguments: list[str]) -> int:
    """Write both schemas into the folder that `arguments` names, making it if need be."""
    folder = Path(arguments[0] if arguments else "schemas")
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        write_atomically(folder / name, text(make()))
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
