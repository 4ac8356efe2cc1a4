"""`.npz` files: arrays by name. What a file declares is held against what it has before memory is taken.

numpy's own reader evaluates headers as Python literals, and unpickles; here a header is matched against the one form
that numpy writes for arrays of plain values.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from spec_compiler.diagnostics import show
from spec_compiler.runtime.data_refused import refuse
from spec_compiler.source.archive import MAX_MEMBERS, opened

Array = np.ndarray[Any, Any]

# What deflate makes of zeros: no honest member is packed tighter.
_TIGHTEST = 1_032
_CHUNK = 2**20

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
_LONGEST_HEADER = 10_000
_ITEM = re.compile(r"\s*'(\w+)'\s*:\s*(?:'([^'\\]*)'|(True|False)|\(([-0-9L,\s]*)\))\s*(?:,\s*|(?=\}))")
_SIZE = re.compile(r"(-?\d{1,20})L?")  # Python 2 wrote long integers so
_PLAIN_TYPE = re.compile(r"[<>|=]?[a-zA-Z]\d{0,9}(\[\w{1,8}\])?")


class _Header(NamedTuple):
    """What an array's header says, and how many bytes it takes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    length: int

    @property
    def size(self) -> int:
        """Bytes of header and array together."""
        return self.length + math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: Path) -> dict[str, Array]:
    """The file's arrays by name; raises SpecError for an archive that is damaged, or none that numpy writes."""
    try:
        with opened(path) as archive:
            _check_members(path, archive)
            return {info.filename.removesuffix(".npy"): _read_npy(path, archive, info) for info in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        refuse(path, f"this is no .npz file, or a damaged one: {error}")


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse archives that numpy does not write: they are damaged, or made to hurt."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        refuse(path, f"the file has more than {MAX_MEMBERS:,} arrays")
    for name, times in Counter(member.filename for member in members).items():
        if times > 1 or not name.endswith(".npy"):
            refuse(path, f"member {show(name)} {'stands there twice' if times > 1 else 'is no array'}")
    for member in members:
        name = show(member.filename)
        if member.flag_bits & 1:
            refuse(path, f"member {name} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            refuse(path, f"member {name} is compressed by a method that numpy does not use")
        if member.file_size > member.compress_size * _TIGHTEST + 1024:
            refuse(path, f"member {name} cannot hold the {member.file_size:,} bytes that it declares")
    if sum(member.compress_size for member in members) > path.stat().st_size:
        refuse(path, "the members overlap, or part of the file is missing")
    unpacked = sum(member.file_size for member in members)
    if unpacked > _memory():
        refuse(path, f"the arrays are {unpacked:,} bytes, more than this machine's memory")


def _memory() -> float:
    """Bytes of memory that the machine has, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf


def _read_npy(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    name = show(info.filename)
    with archive.open(info) as member:
        try:
            header = _header(member)
        except (TypeError, ValueError) as error:
            refuse(path, f"member {name} is no array: {error}")
        if header.dtype.hasobject:
            refuse(path, f"member {name} holds Python objects, which are not read", help="save it as numbers")
        data = bytearray()
        if header.size == info.file_size and all(n >= 0 for n in header.shape):
            while chunk := member.read(_CHUNK):
                data += chunk
    try:
        if len(data) != header.size - header.length:
            raise ValueError
        flat = np.frombuffer(data, header.dtype) if data else np.empty(0, header.dtype)
        return flat.reshape(header.shape, order="F" if header.fortran else "C")
    except ValueError:  # or too many axes, or axes of more elements than there can be
        held = f"{info.file_size:,} bytes"
        refuse(path, f"member {name} declares an array of shape {show(header.shape)}, but holds {held}")


def _header(member: IO[bytes]) -> _Header:
    """The header at the start of a member; raises ValueError or TypeError where there is none that numpy writes."""
    start = member.read(len(_MAGIC) + 2)
    length_bytes = _LENGTH_BYTES.get(tuple(start[len(_MAGIC) :]))  # type: ignore[arg-type]
    if not start.startswith(_MAGIC) or length_bytes is None:
        raise ValueError("it does not begin like one")
    length = int.from_bytes(member.read(length_bytes), "little")
    text = member.read(min(length, _LONGEST_HEADER)).decode("latin-1")
    if len(text) < length:
        raise ValueError(f"its header is said to be {length:,} bytes")
    found = _items(text)
    descr, fortran, shape = (found.get(key) for key in ("descr", "fortran_order", "shape"))
    if not isinstance(descr, str) or not isinstance(fortran, bool) or not isinstance(shape, tuple):
        raise ValueError("its header says no type, order and shape")
    if not _PLAIN_TYPE.fullmatch(descr):
        raise ValueError(f"{show(descr)} is no type of plain values")
    dtype = np.dtype(descr)
    if dtype.itemsize == 0:
        raise ValueError("its values have no bytes")
    return _Header(dtype, shape, fortran, len(start) + length_bytes + length)


def _items(text: str) -> dict[str, str | bool | tuple[int, ...]]:
    """The items of `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`; none of those behind what is odd."""
    found: dict[str, str | bool | tuple[int, ...]] = {}
    at = 1
    while item := _ITEM.match(text, at):
        key, word, flag, sizes = item.groups()
        at = item.end()
        if sizes is None:
            found[key] = word if flag is None else flag == "True"
        else:
            found[key] = tuple(_size(text.strip()) for text in sizes.split(",") if text.strip())
    return found if text[:1] == "{" and text[at:].strip() == "}" else {}


def _size(text: str) -> int:
    size = _SIZE.fullmatch(text)
    if size is None:
        raise ValueError(f"{show(text)} is no length")
    return int(size[1])
