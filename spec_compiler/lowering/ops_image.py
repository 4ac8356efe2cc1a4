"""Lowerings of `specs.layers.ops_image`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.nn import functional as F

from spec_compiler.lowering.call import permuted
from spec_compiler.lowering.conv import padded
from spec_compiler.lowering.expressions import differing
from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering, torch_dtype, with_constants
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn import ops_image as nn_image
from spec_compiler.specs.layers.conv import effective_dilation
from spec_compiler.specs.layers.image_sizes import around, axes_of, patch_of, surrounded_size
from spec_compiler.specs.layers.ops_convolutions import each
from spec_compiler.specs.layers.ops_types import Array, axes_in

with_constants("ScaleAndTranslate.output_shape ScaleAndTranslate.scale ScaleAndTranslate.translation")


@lowering
def RGBToGrayscale(op: OpCall, images: Proxy, *, data_format: str | None) -> Any:
    channel = axes_of(data_format)[2]
    if op.type(images).shape[channel] == 1:
        return images
    red, green, blue = (images.select(channel, i) for i in range(3))
    grey = 0.2989 * red + 0.587 * green + 0.114 * blue
    return (grey if "float" in op.dtype else grey.to(torch_dtype(op.dtype))).unsqueeze(channel)


def _colours(op: OpCall, function: Callable[..., Any], images: Proxy, *, data_format: str | None) -> Any:
    channel = axes_of(data_format)[2]
    return op.call.function(function, images, **({} if channel == -1 else {"dim": channel}))


lower_each({"RGBToHSV": nn_image.rgb_to_hsv, "HSVToRGB": nn_image.hsv_to_rgb}, _colours)


def _batched(op: OpCall, x: Any, data_format: str | None, channels_first: bool) -> Any:
    """A batch of images, channels first or last; `_unbatched` is the way back."""
    if op.call.channels_first == channels_first and op.call.channels_first:
        return x
    x = x.unsqueeze(0) if op.rank(x) == 3 else x
    if (data_format == "channels_first") == channels_first:
        return x
    return permuted(x, 4, to_keras=not channels_first)


def _unbatched(op: OpCall, y: Any, images: Proxy, data_format: str | None, channels_first: bool) -> Any:
    if op.call.channels_first == channels_first and op.call.channels_first:
        return y
    if (data_format == "channels_first") != channels_first:
        y = permuted(y, 4, to_keras=channels_first)
    return y.squeeze(0) if op.rank(images) == 3 else y


@lowering
def Resize(
    op: OpCall, images: Proxy, *, size: Any, interpolation: str, antialias: bool, crop_to_aspect_ratio: bool,
    pad_to_aspect_ratio: bool, fill_mode: str, fill_value: float, data_format: str | None,
) -> Any:  # fmt: skip
    of = op.type(images).dtype
    whole = of in ("float32", "float64")
    x = _batched(op, images if whole else op.cast(images, "float32"), data_format, True)
    height, width = (op.type(images).shape[axis] for axis in axes_of(data_format)[:2])
    rows, columns = size
    if crop_to_aspect_ratio:
        x = cropped(x, height or 0, width or 0, rows, columns)
    elif pad_to_aspect_ratio:
        x = surrounded(x, height or 0, width or 0, rows, columns, fill_value)
    mode = {"nearest": "nearest-exact"}.get(interpolation, interpolation)
    smooth = {"antialias": True} if antialias and interpolation != "nearest" else {}
    y = F.interpolate(x, tuple(size), mode=mode, **smooth)
    if interpolation == "bicubic" and of == "uint8":
        y = y.clamp(0, 255)
    if not whole:
        y = (y.round() if "int" in of else y).to(torch_dtype(of))
    return _unbatched(op, y, images, data_format, True)


def cropped(x: Any, height: int, width: int, target_height: int, target_width: int) -> Any:
    """The middle of the images, of the target's aspect ratio."""
    h = max(min(height, int(float(width * target_height) / target_width)), 1)
    w = max(min(width, int(float(height * target_width) / target_height)), 1)
    top, left = int(float(height - h) / 2), int(float(width - w) / 2)
    return x[:, :, top : top + h, left : left + w]


def surrounded(x: Any, height: int, width: int, target_height: int, target_width: int, fill: float) -> Any:
    """The images with as much around them, of the target's aspect ratio."""
    h, w = surrounded_size(height, width, target_height, target_width)
    top, left = int(float(h - height) / 2), int(float(w - width) / 2)
    return F.pad(x, (left, left, top, top), **differing({"value": (fill or 0, 0)}))


def _reading(interpolation: str, fill_value: float, fill_mode: str = "constant") -> dict[str, Any]:
    stated = {
        "linear": (interpolation == "bilinear", True),
        "fill_mode": (fill_mode, "constant"),
        "fill_value": (fill_value, 0),
    }
    return differing(stated)


@lowering
def AffineTransform(
    op: OpCall, images: Proxy, transform: Proxy, *, interpolation: str, fill_mode: str, fill_value: float,
    data_format: str | None,
) -> Any:  # fmt: skip
    x = _batched(op, images, data_format, False)
    y = op.call.function(nn_image.affine_transform, x, transform, **_reading(interpolation, fill_value, fill_mode))
    return _unbatched(op, y, images, data_format, False)


@lowering
def PerspectiveTransform(
    op: OpCall, images: Proxy, start_points: Proxy, end_points: Proxy, *, interpolation: str, fill_value: float,
    data_format: str | None,
) -> Any:  # fmt: skip
    x = _batched(op, images, data_format, False)
    stated = _reading(interpolation, fill_value)
    y = op.call.function(nn_image.perspective_transform, x, start_points, end_points, **stated)
    return _unbatched(op, y, images, data_format, False)


@lowering
def MapCoordinates(
    op: OpCall, inputs: Proxy, coordinates: Proxy, *, order: int, fill_mode: str, fill_value: float
) -> Any:
    places = [coordinates[i] for i in range(op.rank(inputs))]
    stated = _reading("bilinear" if order else "nearest", fill_value, fill_mode)
    return op.call.function(nn_image.map_coordinates, inputs, places, **stated)


@lowering
def ExtractPatches(
    op: OpCall, images: Proxy, *, size: Any, strides: Any, dilation_rate: Any, padding: str, data_format: str | None
) -> Any:
    window = patch_of(size)
    rank, shape = len(window), op.type(images).shape
    steps = each(window if strides is None else strides, rank, "strides")
    dilations = each(dilation_rate, rank, "dilation_rate")
    single = len(shape) == rank + 1
    first = data_format == "channels_first"
    x: Any = images.unsqueeze(0) if single else images
    x = x if first else permuted(x, rank + 2, to_keras=False)
    dims = shape[-rank:] if first else shape[-rank - 1 : -1]
    if padding == "same":
        dilations = effective_dilation(dims, dilations, padding)
        pads, x = padded(op.call, x, dims, window, steps, dilations, padding)
        both = (pads,) * rank if isinstance(pads, int) else pads
        if any(both):
            x = F.pad(x, tuple(n for pad in reversed(both) for n in (pad, pad)))
    y = op.call.function(nn_image.extract_patches, x, window, steps, dilations)
    y = permuted(y, rank + 2, to_keras=False) if first else y
    return y.squeeze(0) if single else y


def _edges(op: OpCall, images: Proxy, data_format: str | None, sign: int, what: str, settings: dict[str, Any]) -> Any:
    """What changes before and behind height and width."""
    height, width, _ = axes_of(data_format)
    shape = op.type(images).shape
    sides = ((height, "top", "bottom", "height"), (width, "left", "right", "width"))
    return [
        around(shape[axis], settings[f"{a}_{what}"], settings[f"{b}_{what}"], settings[f"target_{length}"], sign, what)
        for axis, a, b, length in sides
    ]


@lowering
def PadImages(op: OpCall, images: Proxy, *, data_format: str | None, **settings: Any) -> Any:
    (top, bottom), (left, right) = _edges(op, images, data_format, 1, "padding", settings)
    behind = () if data_format == "channels_first" else (0, 0)
    return F.pad(images, (*behind, left, right, top, bottom))


@lowering
def CropImages(op: OpCall, images: Proxy, *, data_format: str | None, **settings: Any) -> Any:
    (top, bottom), (left, right) = _edges(op, images, data_format, -1, "cropping", settings)
    key: list[Any] = [slice(a or None, -b or None) for a, b in ((top, bottom), (left, right))]
    return images[(..., *key) if data_format == "channels_first" else (..., *key, slice(None))]


@lowering
def GaussianBlur(op: OpCall, images: Proxy, *, kernel_size: Any, sigma: Any, data_format: str | None) -> Any:
    x = _batched(op, images, data_format, True)
    y = op.call.function(nn_image.gaussian_blur, x, kernel_size[0], tuple(map(float, sigma)))
    return _unbatched(op, y, images, data_format, True)


@lowering
def ScaleAndTranslate(
    op: OpCall, images: Proxy, output_shape: Any, scale: Any, translation: Any, *, spatial_dims: Any, method: str,
    antialias: bool,
) -> Any:  # fmt: skip
    dims = axes_in(spatial_dims, op.rank(images))
    shape = output_shape.values if isinstance(output_shape, Array) else output_shape
    scale, translation = (
        op.cast(op.constant(x) if isinstance(x, Array) else x, "float32") for x in (scale, translation)
    )
    kind = next((short for short in ("linear", "cubic") if method.endswith(short)), method)
    stated = {**({} if kind == "linear" else {"method": kind}), **({} if antialias else {"antialias": False})}
    lengths = tuple(shape[dim] for dim in dims)
    return op.call.function(nn_image.scale_and_translate, images, scale, translation, lengths, dims, **stated)


@lowering
def SobelEdges(op: OpCall, images: Proxy, *, data_format: str | None) -> Any:
    if data_format == "channels_first":
        return op.call.function(nn_image.sobel_edges, images)
    return op.call.function(nn_image.sobel_edges, permuted(images, 4, to_keras=False)).permute(0, 2, 3, 1, 4)


@lowering
def SSIM(op: OpCall, image1: Proxy, image2: Proxy, *, data_format: str | None, **settings: float) -> Any:
    defaults = {"max_val": 1.0, "filter_size": 11, "filter_sigma": 1.5, "k1": 0.01, "k2": 0.03}
    names = {"filter_size": "size", "filter_sigma": "sigma"}
    stated = {names.get(key, key): value for key, value in settings.items() if value != defaults[key]}
    first = op.as_float(image1)
    pair = [_batched(op, x, data_format, True) for x in (first, op.cast(image2, op.type(first).dtype))]
    y = op.call.function(nn_image.ssim, *pair, **stated)
    y = y.squeeze(0) if op.rank(image1) == 3 else y
    return y if "float" in op.dtype else y.to(torch_dtype(op.dtype))
