"""Layers that cut, resize and turn images, in batches: (batch, height, width, channels) or channels first."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from spec_compiler.specs.layers.conv import Spatial
from spec_compiler.specs.layers.image_sizes import surrounded_size
from spec_compiler.specs.shapes import Shape, UnknownDimensionError, show
from spec_compiler.specs.types import Before, Bool, Float, Layout, PositiveInt, Seed, kept_dtype

BoxFormat = Literal[
    "xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh"
]


class ImageLayer(Spatial):
    """A layer over images."""

    rank = 2

    bounding_box_format: BoxFormat | None = None
    """How boxes that come with images are written; images alone have none."""

    unstated: ClassVar[tuple[str, ...]] = ("bounding_box_format",)

    def infer_shape(self, x: Shape) -> Shape:
        self.spatial_dims(x)
        return x


class Resized(ImageLayer):
    """A layer that makes images of one size."""

    height: PositiveInt
    """Height of the output."""
    width: PositiveInt
    """Width of the output."""

    def infer_shape(self, x: Shape) -> Shape:
        self.spatial_dims(x)
        return self.with_dims(x, (self.height, self.width), x[self.channel_axis])

    def known_dims(self, x: Shape) -> tuple[int, int]:
        """Height and width of the input, which must be known."""
        height, width = self.spatial_dims(x)
        if height is None or width is None:
            raise UnknownDimensionError(
                f"{type(self).__name__} needs the height and width of its input, unknown in {show(x)}"
            )
        return height, width


class Resizing(Resized):
    """Bring images to a size."""

    interpolation: Literal["bilinear", "nearest", "bicubic"] = "bilinear"
    """How values between pixels are made."""
    crop_to_aspect_ratio: Bool = False
    """Whether the middle of the output's aspect ratio is cut out first, so that nothing is distorted."""
    pad_to_aspect_ratio: Bool = False
    """Whether the image is surrounded first up to the output's aspect ratio, so that nothing is distorted."""
    fill_mode: Literal["constant"] = "constant"
    """What the image is surrounded with: `fill_value`."""
    fill_value: Float = 0.0
    """What the image is surrounded with."""
    antialias: Bool = False
    """Whether images that shrink are smoothed."""

    positional = (
        "height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode", "fill_value",
        "antialias", "data_format",
    )  # fmt: skip

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio: only one of the two can be true")
        return self

    def infer_shape(self, x: Shape) -> Shape:
        if self.crop_to_aspect_ratio or self.pad_to_aspect_ratio:
            self.known_dims(x)
        return super().infer_shape(x)

    def intermediates(self, x: Shape, *_: Any, **__: Any) -> list[Shape]:
        """The images with what is put around them."""
        if not self.pad_to_aspect_ratio:
            return []
        size = surrounded_size(*self.known_dims(x), self.height, self.width)
        return [self.with_dims(x, size, x[self.channel_axis])]

    def output_dtype(self, *dtypes: str) -> str:
        # Complex numbers are no colours, and are refused where they would become floats.
        return self.compute_dtype if "complex" in dtypes[0] else kept_dtype(self.compute_dtype, dtypes[0])


class CenterCrop(Resized):
    """Cut out the middle of images; of those that are too small, the middle of the aspect ratio, resized."""

    positional = ("height", "width", "data_format")

    def infer_shape(self, x: Shape) -> Shape:
        self.known_dims(x)
        return super().infer_shape(x)


class RandomFlip(ImageLayer):
    """Mirror each image or not, in training."""

    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = "horizontal_and_vertical"
    """Along which axes; along both, an image is mirrored along both or along none."""
    seed: Seed = None
    """Seed of the draws."""

    positional = ("mode", "seed", "data_format")


def _range(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (-abs(value), abs(value))
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(n, (int, float)) for n in value):
        return tuple(sorted(value))
    raise PydanticCustomError("range_type", "expected a number, or a least and a largest one")


Fraction = Annotated[Float, WithJsonSchema({"type": "number", "minimum": -1, "maximum": 1})]
Range = Annotated[
    tuple[Fraction, Fraction],
    Before(_range),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}]}
    ),
]
"""A least and a largest number; one number stands for its negative and itself."""


class RandomRotation(ImageLayer):
    """Turn each image about its middle, in training."""

    factor: Range
    """Least and largest angle, as fractions of a whole turn, against the clock."""
    fill_mode: Literal["reflect", "wrap", "constant", "nearest"] = "reflect"
    """What stands beyond the image."""
    interpolation: Literal["nearest", "bilinear"] = "bilinear"
    """How values between pixels are made."""
    seed: Seed = None
    """Seed of the draws."""
    fill_value: Float = 0.0
    """What stands beyond the image where `fill_mode` is `constant`."""

    positional = ("factor", "fill_mode", "interpolation", "seed", "fill_value", "data_format")

    @model_validator(mode="after")
    def _turns(self) -> Self:
        if self.factor[0] < -1 or self.factor[1] > 1:
            raise ValueError(f"factor={list(self.factor)} must be fractions of a turn, from -1 to 1")
        return self

    def layout(self, rank: int) -> Layout:
        return "keras"
