"""Operations on images. What they compute: https://keras.io/api/ops/image/."""

from __future__ import annotations

from typing import Any, Literal

from spec_compiler.specs.layers.image_sizes import around, axes_of, patch_of, surrounded_size
from spec_compiler.specs.layers.ops_arguments import Count, Ints, Number, Shifts, Size, Sizes
from spec_compiler.specs.layers.ops_convolutions import each, with_format
from spec_compiler.specs.layers.ops_table import Module, on_the_way, takes_complex
from spec_compiler.specs.layers.ops_types import (
    Array,
    axes_in,
    is_float,
    promoted,
    require_floats,
    require_held,
    require_numbers,
)
from spec_compiler.specs.shapes import (
    NothingLeftError,
    RankError,
    Shape,
    ShapeError,
    TensorType,
    convolved,
    merged,
    product,
    show,
)
from spec_compiler.specs.types import Layout

op = Module("keras.src.ops.image")

takes_complex("CropImages ExtractPatches PadImages")

LARGEST_KERNEL = 1024
"""A blur's window is no larger along an axis."""


def _require_images(images: TensorType) -> None:
    if len(images.shape) not in (3, 4):
        raise RankError(f"it takes an image or a batch of them, a tensor of rank 3 or 4, got {show(images.shape)}")


def _with(shape: Shape, lengths: dict[int, int | None]) -> Shape:
    """`shape` with other lengths of the axes that are counted from the end."""
    return tuple(lengths.get(i - len(shape), n) for i, n in enumerate(shape))


@op.having(function="rgb_to_grayscale")
def RGBToGrayscale(
    images: TensorType, *, data_format: Literal["channels_last", "channels_first"] | None = None
) -> TensorType:
    _require_images(images)
    channel = axes_of(data_format)[2]
    if images.shape[channel] not in (1, 3):
        raise ShapeError(f"it takes images of 3 channels, or of 1, got {show(images.shape)}")
    require_numbers(images)
    return TensorType(_with(images.shape, {channel: 1}), images.dtype)


def between_colours(
    images: TensorType, *, data_format: Literal["channels_last", "channels_first"] | None = None
) -> TensorType:
    _require_images(images)
    if images.shape[axes_of(data_format)[2]] not in (3, None):
        raise ShapeError(f"it takes images of 3 channels, got {show(images.shape)}")
    require_floats(images)
    return images


op.add("RGBToHSV", between_colours, "keras", "rgb_to_hsv")
op.add("HSVToRGB", between_colours, "keras", "hsv_to_rgb")


def images_first(rank: int, arguments: dict[str, Any]) -> Layout:
    """What torch's kernels want of a batch of images; a single one, or one that has its channels first, stays as it is."""
    return "channels_first" if rank == 4 and arguments.get("data_format") != "channels_first" else "keras"


@op.having(images_first)
def Resize(
    images: TensorType,
    *,
    size: Sizes,
    interpolation: Literal["bilinear", "nearest", "bicubic"] = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: Literal["constant"] = "constant",
    fill_value: Number = 0.0,
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    _require_images(images)
    require_numbers(images)
    if isinstance(size, int) or len(size) != 2:
        raise ShapeError(f"size is a height and a width, got {size}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ShapeError("an image is cropped or padded to the aspect ratio, not both")
    height, width, _ = axes_of(data_format)
    if (crop_to_aspect_ratio or pad_to_aspect_ratio) and None in (images.shape[height], images.shape[width]):
        raise ShapeError("to keep the aspect ratio, height and width of the images must be known")
    return TensorType(_with(images.shape, {height: size[0], width: size[1]}), images.dtype)


@on_the_way("Resize")
def _surrounded(
    images: TensorType, *, size: Sizes, pad_to_aspect_ratio: bool, data_format: str | None, **_: Any
) -> list[Shape]:
    """The images with what is put around them."""
    if not pad_to_aspect_ratio or isinstance(size, int):
        return []
    height, width = axes_of(data_format)[:2]
    h, w = surrounded_size(images.shape[height] or 0, images.shape[width] or 0, *size)
    return [_with(images.shape, {height: h, width: w})]


@op
def AffineTransform(
    images: TensorType,
    transform: TensorType,
    *,
    interpolation: Literal["bilinear", "nearest"] = "bilinear",
    fill_mode: Literal["constant", "nearest", "wrap", "mirror", "reflect"] = "constant",
    fill_value: Number = 0,
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    _require_images(images)
    require_floats(transform)
    if len(transform.shape) not in (1, 2) or transform.shape[-1] != 8:
        raise ShapeError(f"a transform is 8 numbers, one for all images or one each, got {show(transform.shape)}")
    if len(transform.shape) == 2:
        _require_one_each(images, transform.shape[0], "transforms")
    require_held(images.dtype, fill_value)
    return images


@op
def PerspectiveTransform(
    images: TensorType,
    start_points: TensorType,
    end_points: TensorType,
    *,
    interpolation: Literal["bilinear", "nearest"] = "bilinear",
    fill_value: Number = 0,
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    _require_images(images)
    require_floats(images)
    for points in (start_points, end_points):
        if (
            len(points.shape) not in (2, 3)
            or points.shape[-2:] != (4, 2)
            or len(points.shape) != len(start_points.shape)
        ):
            raise ShapeError(f"points are four corners, (4, 2), or as many for each image, got {show(points.shape)}")
        if len(points.shape) == 3:
            _require_one_each(images, points.shape[0], "lists of points")
    return images


def _require_one_each(images: TensorType, count: int | None, what: str) -> None:
    """ShapeError unless there is one for all the images, or one for each."""
    n = images.shape[0] if len(images.shape) == 4 else 1
    if None not in (count, n) and count not in (1, n):
        raise ShapeError(f"{n} images do not go with {count} {what}")


def _with_sizes(settings: dict[str, Any]) -> dict[str, Any]:
    size = settings["size"]
    window = (size, size) if isinstance(size, int) else size
    return {
        **with_format(settings),
        "size": window,
        "strides": window if settings["strides"] is None else settings["strides"],
    }


@op.having(order="images size strides dilation_rate padding data_format", prepared=_with_sizes, nameless=True)
def ExtractPatches(
    images: TensorType,
    *,
    size: Sizes,
    strides: Sizes | None = None,
    dilation_rate: Sizes = 1,
    padding: Literal["valid", "same"] = "valid",
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    """Each window's elements as channels, of images, or of volumes where `size` has three lengths."""
    window = patch_of(size)
    rank = len(window)
    if len(images.shape) not in (rank + 1, rank + 2):
        raise ShapeError(f"windows of {rank} axes are taken of tensors of rank {rank + 1} or {rank + 2}")
    require_numbers(images)
    first = data_format == "channels_first"
    channel = -rank - 1 if first else -1
    channels = images.shape[channel]
    if channels is None:
        raise ShapeError(f"the number of channels of {show(images.shape)} must be known")
    steps = each(window if strides is None else strides, rank, "strides")
    dilations = each(dilation_rate, rank, "dilation_rate")
    axes = range(-rank, 0) if first else range(-rank - 1, -1)
    lengths: dict[int, int | None] = {
        axis: convolved(images.shape[axis], k, s, d, padding)
        for axis, k, s, d in zip(axes, window, steps, dilations, strict=True)
    }
    return TensorType(_with(images.shape, {**lengths, channel: channels * (product(window) or 0)}), images.dtype)


@op.having(order="inputs coordinates order fill_mode fill_value")
def MapCoordinates(
    inputs: TensorType,
    coordinates: TensorType,
    *,
    order: Count,
    fill_mode: Literal["constant", "nearest", "wrap", "mirror", "reflect"] = "constant",
    fill_value: Number = 0,
) -> TensorType:
    """`inputs` read at places between its elements: coordinates (rank, ...) -> (...)."""
    if order > 1:
        raise ShapeError(f"interpolation is of order 0, nearest, or 1, linear, got {order}")
    if 0 in inputs.shape:
        raise ShapeError(f"there is nothing to read in a tensor of shape {show(inputs.shape)}")
    if len(coordinates.shape) < 2 or coordinates.shape[0] != len(inputs.shape):
        raise ShapeError(f"coordinates are of shape ({len(inputs.shape)}, ...), got {show(coordinates.shape)}")
    require_held(inputs.dtype, fill_value)
    return TensorType(coordinates.shape[1:], inputs.dtype)


@op
def PadImages(
    images: TensorType,
    *,
    top_padding: Count | None = None,
    left_padding: Count | None = None,
    bottom_padding: Count | None = None,
    right_padding: Count | None = None,
    target_height: Count | None = None,
    target_width: Count | None = None,
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    _require_images(images)
    height, width, _ = axes_of(data_format)
    pads = {
        height: around(images.shape[height], top_padding, bottom_padding, target_height, 1, "padding"),
        width: around(images.shape[width], left_padding, right_padding, target_width, 1, "padding"),
    }
    lengths: dict[int, int | None] = {
        axis: images.shape[axis] + a + b  # type: ignore[operator]
        for axis, (a, b) in pads.items()
    }
    return TensorType(_with(images.shape, lengths), images.dtype)


@op
def CropImages(
    images: TensorType,
    *,
    top_cropping: Count | None = None,
    left_cropping: Count | None = None,
    bottom_cropping: Count | None = None,
    right_cropping: Count | None = None,
    target_height: Count | None = None,
    target_width: Count | None = None,
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    _require_images(images)
    height, width, _ = axes_of(data_format)
    crops = {
        height: around(images.shape[height], top_cropping, bottom_cropping, target_height, -1, "cropping"),
        width: around(images.shape[width], left_cropping, right_cropping, target_width, -1, "cropping"),
    }
    lengths: dict[int, int | None] = {axis: images.shape[axis] - a - b for axis, (a, b) in crops.items()}  # type: ignore[operator]
    if any(not n or n < 0 for n in lengths.values()):
        raise NothingLeftError(f"nothing is left of images of shape {show(images.shape)}")
    return TensorType(_with(images.shape, lengths), images.dtype)


@op.having(images_first)
def GaussianBlur(
    images: TensorType,
    *,
    kernel_size: Ints = (3, 3),
    sigma: Any = (1.0, 1.0),
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    _require_images(images)
    require_floats(images)
    if len(kernel_size) != 2 or kernel_size[0] != kernel_size[1] or kernel_size[0] % 2 == 0:
        raise ShapeError(f"the window is square and of odd size, got {list(kernel_size)}")
    if not 0 < kernel_size[0] <= LARGEST_KERNEL:
        raise ShapeError(f"the window's size is from 1 to {LARGEST_KERNEL}, got {kernel_size[0]}")
    if (
        not isinstance(sigma, (list, tuple))
        or len(sigma) != 2
        or not all(isinstance(s, (int, float)) and s > 0 for s in sigma)
    ):
        raise ShapeError("sigma is two numbers above 0")
    if images.shape[axes_of(data_format)[2]] is None:
        raise ShapeError(f"the number of channels of {show(images.shape)} must be known")
    return images


@op.having(order="images output_shape scale translation spatial_dims method antialias")
def ScaleAndTranslate(
    images: TensorType,
    output_shape: Any,
    scale: TensorType,
    translation: TensorType,
    *,
    spatial_dims: Shifts,
    method: Literal["linear", "bilinear", "trilinear", "cubic", "bicubic", "tricubic", "lanczos3", "lanczos5"],
    antialias: bool = True,
) -> TensorType:
    if isinstance(output_shape, Array):
        output_shape = output_shape.values
    rank = len(images.shape)
    if not isinstance(output_shape, (list, tuple)) or len(output_shape) != rank:
        raise ShapeError(f"output_shape states the length of each of {rank} axes")
    dims = axes_in(spatial_dims, rank)
    for i, (n, m) in enumerate(zip(images.shape, output_shape, strict=True)):
        if i in dims and (type(m) is not int or m < 1 or n is None):
            raise ShapeError(f"axis {i} is scaled, so its length must be known before and stated after")
        if i not in dims and None not in (n, m) and n != m:
            raise ShapeError(f"axis {i} is not among spatial_dims, so it keeps its length {n}")
    for x in (scale, translation):
        if x.shape != (len(dims),):
            raise ShapeError(f"scale and translation are one number for each of {len(dims)} axes, got {show(x.shape)}")
    shape = tuple(
        m if i in dims or n is None else n for i, (n, m) in enumerate(zip(images.shape, output_shape, strict=True))
    )
    return TensorType(shape, images.dtype)


@op
def SobelEdges(
    images: TensorType, *, data_format: Literal["channels_last", "channels_first"] | None = None
) -> TensorType:
    if len(images.shape) != 4 or images.shape[axes_of(data_format)[2]] is None:
        raise ShapeError(f"it takes a batch of images whose number of channels is known, got {show(images.shape)}")
    require_floats(images)
    return TensorType((*images.shape, 2), images.dtype)


@op.having(function="ssim")
def SSIM(
    image1: TensorType,
    image2: TensorType,
    *,
    max_val: Number = 1.0,
    filter_size: Size = 11,
    filter_sigma: Number = 1.5,
    k1: Number = 0.01,
    k2: Number = 0.03,
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    """Structural similarity, Wang et al. 2004, one number an image."""
    _require_images(image1)
    if len(image1.shape) != len(image2.shape):
        raise ShapeError(f"it takes images of one shape, got {show(image1.shape)} and {show(image2.shape)}")
    for a, b in zip(image1.shape, image2.shape, strict=True):
        merged(a, b)
    if filter_size > LARGEST_KERNEL:
        raise ShapeError(f"the window's size is from 1 to {LARGEST_KERNEL}, got {filter_size}")
    height, width, _ = axes_of(data_format)
    for n in (image1.shape[height], image1.shape[width]):
        if n is not None and n < filter_size:
            raise ShapeError(f"a window of {filter_size} does not fit images of shape {show(image1.shape)}")
    require_numbers(image1, image2)
    dtype = image1.dtype if is_float(image1.dtype) else promoted(image1.dtype)
    return TensorType(image1.shape[:-3], dtype)
