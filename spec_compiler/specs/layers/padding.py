"""Layers that put zeros around the spatial axes, or cut their ends off."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import WithJsonSchema

from spec_compiler.specs.layers.conv import ChannelsLast, Spatial
from spec_compiler.specs.shapes import NothingLeftError, Shape
from spec_compiler.specs.types import Before, Layout, PairFromZero

Sides = tuple[tuple[int, int], ...]
"""For each axis, how much before and how much behind it."""


def _sides_schema(rank: int) -> WithJsonSchema:
    one = {"type": "integer", "minimum": 0}
    axis = {"anyOf": [one, {"type": "array", "items": one, "minItems": 2, "maxItems": 2}]}
    return WithJsonSchema({"anyOf": [one, {"type": "array", "items": axis, "minItems": rank, "maxItems": rank}]})


def _for_each(rank: int) -> Before:
    return Before(lambda v: v if isinstance(v, (list, tuple)) else (v,) * rank)


SidesOfTwo = Annotated[tuple[PairFromZero, PairFromZero], _for_each(2), _sides_schema(2)]
SidesOfThree = Annotated[tuple[PairFromZero, PairFromZero, PairFromZero], _for_each(3), _sides_schema(3)]
"""One integer for all sides, one for each axis, or two for each axis."""


class Reframed(ChannelsLast):
    """A layer that adds to the ends of the spatial axes, or takes off them."""

    @property
    def sides(self) -> Sides:
        """What is added before and behind each spatial axis; below 0: taken off."""
        raise NotImplementedError

    def layout(self, rank: int) -> Layout:
        return "any"

    def infer_shape(self, x: Shape) -> Shape:
        dims = []
        for n, (before, after) in zip(self.spatial_dims(x), self.sides, strict=True):
            if n is not None and n + before + after <= 0:
                raise NothingLeftError(
                    f"{type(self).__name__} cuts {-before} and {-after} off an axis of length {n}: nothing is left",
                    help="cut less off, or put fewer layers that shrink before it",
                )
            dims.append(None if n is None else n + before + after)
        return self.with_dims(x, tuple(dims), x[self.channel_axis])


class ZeroPadding(Reframed, Spatial):
    """Zeros around the spatial axes."""

    positional = ("padding", "data_format")

    if TYPE_CHECKING:
        padding: Any

    @property
    def sides(self) -> Sides:
        return self.padding  # type: ignore[no-any-return]


class ZeroPadding1D(ZeroPadding):
    """Zeros before and behind the steps: (batch, steps, channels) -> (batch, more steps, channels)."""

    rank = 1

    padding: PairFromZero = (1, 1)
    """How many zeros before the steps and behind them; one integer: both."""

    @property
    def sides(self) -> Sides:
        return (self.padding,)


class ZeroPadding2D(ZeroPadding):
    """Zeros around an image: (batch, height, width, channels) -> (batch, higher, wider, channels)."""

    rank = 2

    padding: SidesOfTwo = ((1, 1), (1, 1))
    """How many zeros: ((above, below), (left, right)), one integer an axis, or one for all."""


class ZeroPadding3D(ZeroPadding):
    """Zeros around a volume: (batch, depth, height, width, channels) -> (batch, *larger, channels)."""

    rank = 3

    padding: SidesOfThree = ((1, 1), (1, 1), (1, 1))
    """How many zeros before and behind depth, height and width; one integer an axis, or one for all."""


class Cropping1D(Reframed):
    """The steps without the first and the last: (batch, steps, channels) -> (batch, fewer steps, channels)."""

    rank = 1

    cropping: PairFromZero = (1, 1)
    """How many steps are cut off before and behind; one integer: both."""

    @property
    def sides(self) -> Sides:
        before, after = self.cropping
        return ((-before, -after),)


class Cropping(Reframed, Spatial):
    """The spatial axes without their ends."""

    positional = ("cropping", "data_format")

    if TYPE_CHECKING:
        cropping: Any

    @property
    def sides(self) -> Sides:
        return tuple((-before, -after) for before, after in self.cropping)


class Cropping2D(Cropping):
    """An image without its edges: (batch, height, width, channels) -> (batch, lower, narrower, channels)."""

    rank = 2

    cropping: SidesOfTwo = ((0, 0), (0, 0))
    """How much is cut off: ((above, below), (left, right)), one integer an axis, or one for all."""


class Cropping3D(Cropping):
    """A volume without its edges: (batch, depth, height, width, channels) -> (batch, *smaller, channels)."""

    rank = 3

    cropping: SidesOfThree = ((1, 1), (1, 1), (1, 1))
    """How much is cut off before and behind depth, height and width; one integer an axis, or one for all."""
