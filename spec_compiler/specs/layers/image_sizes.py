"""Sizes of images: which axes they stand on, and what is cut off or put around."""

from __future__ import annotations

from spec_compiler.specs.layers.ops_arguments import Sizes
from spec_compiler.specs.shapes import ShapeError


def axes_of(data_format: str | None) -> tuple[int, int, int]:
    """The axes of height, width and channels, counted from the end."""
    return (-2, -1, -3) if data_format == "channels_first" else (-3, -2, -1)


def surrounded_size(height: int, width: int, target_height: int, target_width: int) -> tuple[int, int]:
    """Height and width with as much around as brings them to the target's aspect ratio."""
    h = max(height, int(float(width * target_height) / target_width))
    return h, max(width, int(float(height * target_width) / target_height))


def around(
    n: int | None, before: int | None, after: int | None, target: int | None, sign: int, what: str
) -> tuple[int, int]:
    """What is added (`sign` 1) or cut off (-1) before and behind an axis, where two of three are stated."""
    if n is None:
        raise ShapeError("height and width of the images must be known")
    if (before is None) + (after is None) + (target is None) != 1:
        raise ShapeError(f"of the {what} before, the {what} behind and the target's length, two must be stated")
    if target is not None:
        change = sign * (target - n)
        before = change - after if before is None else before  # type: ignore[operator]
        after = change - before if after is None else after
    assert before is not None and after is not None
    if before < 0 or after < 0:
        raise ShapeError(f"{what} of {min(before, after)} is impossible: an axis of length {n} cannot become {target}")
    return before, after


def patch_of(size: Sizes) -> tuple[int, ...]:
    """The window's lengths: two for images, three for volumes."""
    window = (size, size) if isinstance(size, int) else tuple(size)
    if len(window) not in (2, 3):
        raise ShapeError(f"size is a number, or two or three of them, got {list(window)}")
    return window
