"""Upsampling: each spatial axis becomes a whole number of times as long."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from spec_compiler.specs.layers.conv import ChannelsLast, Spatial
from spec_compiler.specs.shapes import Shape
from spec_compiler.specs.types import Before, Bool, Pair, PositiveInt, Triple


def _known_interpolation(value: Any) -> Any:
    value = value.lower() if isinstance(value, str) else value
    if value in ("lanczos3", "lanczos5"):
        raise PydanticCustomError(
            "unsupported_interpolation",
            "torch has no Lanczos kernel, nor has Keras on torch: use 'bicubic', the closest to it, instead of {name}",
            {"name": value},
        )
    return value


Interpolation = Annotated[
    Literal["nearest", "bilinear", "bicubic"],
    Before(_known_interpolation),
    WithJsonSchema({"enum": ["nearest", "bilinear", "bicubic"]}),
]


class UpSampling(ChannelsLast):
    """Each spatial axis `size` times as long."""

    needs_floats: ClassVar[bool] = True

    if TYPE_CHECKING:
        size: Any

    @property
    def factors(self) -> tuple[int, ...]:
        """How many times as long each spatial axis becomes."""
        return self.size  # type: ignore[no-any-return]

    def infer_shape(self, x: Shape) -> Shape:
        dims = zip(self.spatial_dims(x), self.factors, strict=True)
        return self.with_dims(x, tuple(None if n is None else n * factor for n, factor in dims), x[self.channel_axis])


class UpSampling1D(UpSampling):
    """Repeat each step: (batch, steps, channels) -> (batch, steps * size, channels)."""

    rank = 1

    size: PositiveInt = 2
    """How often each step is repeated."""

    @property
    def factors(self) -> tuple[int, ...]:
        return (self.size,)


class UpSampling2D(UpSampling, Spatial):
    """Enlarge an image: (batch, height, width, channels) -> (batch, height * size, width * size, channels)."""

    rank = 2
    positional = ("size", "data_format", "interpolation")

    size: Pair = (2, 2)
    """How many times as high and as wide the image becomes."""
    interpolation: Interpolation = "nearest"
    """What stands between the pixels: `nearest` repeats them; `bilinear`; `bicubic`, torch's, of a = -0.75."""
    half_pixel_centers: Bool = True
    """Whether pixels have their values at their centres; false: at their upper left corners, so that `bilinear` moves the
    image, as Keras 2.2 and 2.3 had it on TensorFlow. No argument of Keras's."""

    unstated = ("half_pixel_centers",)

    @model_validator(mode="after")
    def _between_pixels(self) -> Self:
        if not self.half_pixel_centers and self.interpolation != "bilinear":
            raise ValueError(f"half_pixel_centers=False goes with bilinear interpolation, not {self.interpolation}")
        return self


class UpSampling3D(UpSampling, Spatial):
    """Repeat each voxel along each axis: (batch, *lengths, channels) -> (batch, *lengths * size, channels)."""

    rank = 3
    positional = ("size", "data_format")

    size: Triple = (2, 2, 2)
    """How often each voxel is repeated along depth, height and width."""
