"""TensorFlow's functions of images, (height, width, channels) or a batch of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.elementwise import known_dtype
from spec_compiler.dialects.tensorflow.folding import require_small
from spec_compiler.dialects.tensorflow.resizing import weights
from spec_compiler.dialects.tensorflow.table import tf, writes
from spec_compiler.dialects.tensorflow.values import Dim, Refusal, number, whole, wholes
from spec_compiler.specs.layers.ops_types import is_float
from spec_compiler.specs.shapes import product

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder

_METHODS = {0: "bilinear", 1: "nearest", 2: "bicubic", 3: "area"}


@tf("image.resize")
def resize(
    to: Builder, images: Any, size: Any, method: Any = "bilinear", preserve_aspect_ratio: Any = False,
    antialias: Any = False,
) -> Any:  # fmt: skip
    """Pixels have their centres at halves, since TensorFlow 2."""
    if preserve_aspect_ratio:
        raise Refusal("preserve_aspect_ratio")
    return resized(to, images, size, _method(method), antialias=bool(antialias))


@writes("Resize")
def resize_in_keras2(to: Recorder, images: Any, *, size: Any, interpolation: str, **others: Any) -> Any:
    if interpolation not in ("bilinear", "nearest"):
        raise Refusal(f"TensorFlow's {interpolation} resizing is not Keras's")
    if others["data_format"] == "channels_first" or any(value is True for value in others.values()):
        raise Refusal("antialiasing, cropping, padding or channels first")
    return to.call("image.resize", images, size=list(size), method=interpolation)


@tf("compat.v1.image.resize compat.v1.image.resize_images")
def resize_v1(
    to: Builder, images: Any, size: Any, method: Any = 0, align_corners: Any = False, preserve_aspect_ratio: Any = False
) -> Any:
    """Pixels have their centres at whole numbers, as in TensorFlow 1."""
    if preserve_aspect_ratio:
        raise Refusal("preserve_aspect_ratio")
    return resized(to, images, size, _method(method), align_corners=bool(align_corners), half_pixel=False)


def _method(method: Any) -> str:
    name = _METHODS.get(method) if isinstance(method, int) else method
    if not isinstance(name, str):
        raise Refusal("a method of resizing is given by its name")
    return name.lower()


def _resize(name: str, method: str) -> None:
    @tf(name)
    def resize_by(
        to: Builder, images: Any, size: Any, align_corners: Any = False, half_pixel_centers: Any = False
    ) -> Any:
        return resized(to, images, size, method, align_corners=bool(align_corners), half_pixel=bool(half_pixel_centers))


for _name, _by in (("bilinear", "bilinear"), ("nearest_neighbor", "nearest"), ("bicubic", "bicubic"), ("area", "area")):
    _resize(f"compat.v1.image.resize_{_name}", _by)


def resized(
    to: Builder, images: Any, size: Any, method: str, align_corners: bool = False, half_pixel: bool = True,
    antialias: bool = False,
) -> Any:  # fmt: skip
    """Images of another size; where Keras has no such method, a product with the weights of each pixel."""
    target = wholes(size, "a size")
    if len(target) != 2 or min(target) < 1:
        raise Refusal("a size is a height and a width")
    if method != "nearest" and to.dtype(images) != "float32":
        images = to.op("Cast", images, dtype="float32")
    if half_pixel and not align_corners and not antialias and method in ("bilinear", "nearest"):
        return to.op("Resize", images, size=target, interpolation=method)
    height, width = to.lengths(images)[-3:-1]
    if isinstance(height, Dim) or isinstance(width, Dim):
        raise Refusal(f"the method {method!r} of images whose size only the data tell")
    rows, columns = (
        weights(method, n, m, align_corners, half_pixel, antialias)
        for n, m in zip((height, width), target, strict=True)
    )
    batch = "b" if to.rank(images) == 4 else ""
    dtype = to.dtype(images)
    if not is_float(dtype):
        images = to.op("Cast", images, dtype="float32")
    y = to.op("Einsum", rows, images, subscripts=f"oh,{batch}hwc->{batch}owc")
    y = to.op("Einsum", columns, y, subscripts=f"ow,{batch}hwc->{batch}hoc")
    return y if to.dtype(y) == dtype else to.op("Cast", y, dtype=dtype)


@tf("keras.backend.resize_images")
def backend_resize_images(
    to: Builder, x: Any, height_factor: Any, width_factor: Any, data_format: Any, interpolation: Any = "nearest"
) -> Any:
    if data_format == "channels_first":
        raise Refusal("channels first")
    lengths = to.lengths(x)[1:3]
    factors = (whole(height_factor, "height_factor"), whole(width_factor, "width_factor"))
    size = [to.op("Multiply", n, k) for n, k in zip(lengths, factors, strict=True)]
    return resized(to, x, size, _method(interpolation))


@tf("image.flip_left_right")
def flip_left_right(to: Builder, image: Any) -> Any:
    return to.op("Flip", image, axis=-2)


@tf("image.flip_up_down")
def flip_up_down(to: Builder, image: Any) -> Any:
    return to.op("Flip", image, axis=-3)


@tf("image.transpose")
def transpose(to: Builder, image: Any) -> Any:
    return to.op("Swapaxes", image, axis1=-3, axis2=-2)


@tf("image.rot90")
def rot90(to: Builder, image: Any, k: Any = 1) -> Any:
    first = to.rank(image) - 3
    return to.op("Rot90", image, k=whole(k, "k") % 4, axes=[first, first + 1])


# Parts.


@tf("image.crop_to_bounding_box")
def crop_to_bounding_box(
    to: Builder, image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Any:
    top, left = whole(offset_height, "offset_height"), whole(offset_width, "offset_width")
    bottom, right = top + whole(target_height, "target_height"), left + whole(target_width, "target_width")
    return _part(to, image, slice(top, bottom), slice(left, right))


def _part(to: Builder, image: Any, rows: slice, columns: slice) -> Any:
    for n, cut in zip(to.lengths(image)[-3:-1], (rows, columns), strict=True):
        if isinstance(n, int) and not 0 <= cut.start < cut.stop <= n:
            raise Refusal(f"pixels {cut.start} to {cut.stop} of {n}")
    return to.op("GetItem", image, [*[slice(None)] * (to.rank(image) - 3), rows, columns])


@tf("image.pad_to_bounding_box")
def pad_to_bounding_box(
    to: Builder, image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Any:
    pads = []
    ends = ((offset_height, target_height), (offset_width, target_width))
    for n, (offset, target) in zip(to.lengths(image)[-3:-1], ends, strict=True):
        before = whole(offset, "an offset")
        after = whole(target, "a target") - before - whole(n, "the size of the images")
        if before < 0 or after < 0:
            raise Refusal("padding of less than nothing")
        pads.append([before, after])
    return _padded(to, image, pads)


def _padded(to: Builder, image: Any, pads: list[list[int]]) -> Any:
    return to.op("Pad", image, pad_width=[*[[0, 0]] * (to.rank(image) - 3), *pads, [0, 0]])


@tf("image.resize_with_crop_or_pad image.resize_image_with_crop_or_pad")
def resize_with_crop_or_pad(to: Builder, image: Any, target_height: Any, target_width: Any) -> Any:
    targets = (whole(target_height, "target_height"), whole(target_width, "target_width"))
    cuts, pads = [], []
    for n, target in zip(to.lengths(image)[-3:-1], targets, strict=True):
        length = whole(n, "the size of the images")
        start = max(0, (length - target) // 2)
        cuts.append(slice(start, start + min(target, length)))
        before = max(0, (target - length) // 2)
        pads.append([before, max(0, target - length) - before])
    if any(cut != slice(0, n) for cut, n in zip(cuts, to.lengths(image)[-3:-1], strict=True)):
        image = _part(to, image, *cuts)
    return _padded(to, image, pads) if any(map(any, pads)) else to.op("Copy", image)


@tf("image.central_crop")
def central_crop(to: Builder, image: Any, central_fraction: Any) -> Any:
    fraction = number(central_fraction, "central_fraction")
    if not 0 < fraction <= 1:
        raise Refusal("a fraction is more than 0 and at most 1")
    if fraction == 1:
        return to.op("Copy", image)
    cuts = []
    for n in to.lengths(image)[-3:-1]:
        length = whole(n, "the size of the images")
        start = int((length - length * fraction) / 2)
        cuts.append(slice(start, length - start))
    return _part(to, image, *cuts)


# Colours.


@writes("RGBToGrayscale")
def rgb_to_grayscale_in_keras2(to: Recorder, images: Any, *, data_format: Any) -> Any:
    if data_format is not None or not is_float(to.dtype(images)) or to.shape(images)[-1] != 3:
        raise Refusal("channels first, or images without colours or of whole numbers")
    return to.call("image.rgb_to_grayscale", images)


@tf("image.rgb_to_grayscale")
def rgb_to_grayscale(to: Builder, images: Any) -> Any:
    return to.op("RGBToGrayscale", images)


@tf("image.grayscale_to_rgb")
def grayscale_to_rgb(to: Builder, images: Any) -> Any:
    return to.op("Tile", images, repeats=[*[1] * (to.rank(images) - 1), 3])


@tf("image.rgb_to_hsv", writes="RGBToHSV")
def rgb_to_hsv(to: Builder, images: Any) -> Any:
    return to.op("RGBToHSV", images)


@tf("image.hsv_to_rgb", writes="HSVToRGB")
def hsv_to_rgb(to: Builder, images: Any) -> Any:
    return to.op("HSVToRGB", images)


@tf("image.adjust_brightness")
def adjust_brightness(to: Builder, image: Any, delta: Any) -> Any:
    return to.op("Add", _float(to, image), delta)


@tf("image.adjust_contrast")
def adjust_contrast(to: Builder, images: Any, contrast_factor: Any) -> Any:
    mean = to.op("Mean", _float(to, images), axis=[-3, -2], keepdims=True)
    return to.op("Add", to.op("Multiply", to.op("Subtract", images, mean), contrast_factor), mean)


@tf("image.adjust_gamma")
def adjust_gamma(to: Builder, image: Any, gamma: Any = 1, gain: Any = 1) -> Any:
    return to.op("Multiply", to.op("Power", _float(to, image), gamma), gain)


@tf("image.adjust_saturation")
def adjust_saturation(to: Builder, image: Any, saturation_factor: Any) -> Any:
    hue, saturation, value = to.ops("Split", to.op("RGBToHSV", _float(to, image)), indices_or_sections=3, axis=-1)
    more = to.op("Clip", to.op("Multiply", saturation, saturation_factor), x_min=0.0, x_max=1.0)
    return to.op("HSVToRGB", to.op("Concatenate", [hue, more, value], axis=-1))


@tf("image.adjust_hue")
def adjust_hue(to: Builder, image: Any, delta: Any) -> Any:
    hue, saturation, value = to.ops("Split", to.op("RGBToHSV", _float(to, image)), indices_or_sections=3, axis=-1)
    turned = to.op("Mod", to.op("Add", hue, delta), 1.0)
    return to.op("HSVToRGB", to.op("Concatenate", [turned, saturation, value], axis=-1))


def _float(to: Builder, image: Any) -> Any:
    if not is_float(to.dtype(image)):
        raise Refusal(f"images of {to.dtype(image)}: only such of floating-point numbers keep their range")
    return image


@tf("image.convert_image_dtype")
def convert_image_dtype(to: Builder, image: Any, dtype: Any, saturate: Any = False) -> Any:
    have, want = to.dtype(image), known_dtype(dtype)
    if have == want or (is_float(have) and is_float(want)):
        return to.op("Cast", image, dtype=want)
    if not is_float(want) or have not in _LARGEST:
        raise Refusal(f"from {have} to {want}")
    return to.op("Multiply", to.op("Cast", image, dtype=want), 1 / _LARGEST[have])


_LARGEST = {"uint8": 255, "int8": 127, "uint16": 65535, "int16": 32767, "int32": 2**31 - 1}


@tf("image.per_image_standardization")
def per_image_standardization(to: Builder, image: Any) -> Any:
    image = image if is_float(to.dtype(image)) else to.op("Cast", image, dtype="float32")
    size = product(whole(n, "the size of the images") for n in to.lengths(image)[-3:]) or 1
    mean = to.op("Mean", image, axis=[-3, -2, -1], keepdims=True)
    deviation = to.op("Maximum", to.op("Std", image, axis=[-3, -2, -1], keepdims=True), size**-0.5)
    return to.op("TrueDivide", to.op("Subtract", image, mean), deviation)


# Differences.


_SOBEL = [[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]]


@tf("image.sobel_edges")
def sobel_edges(to: Builder, image: Any) -> Any:
    # Keras's operation of that name puts zeros around the image; TensorFlow's mirrors it.
    channels = whole(to.lengths(image)[-1], "the number of channels")
    require_small([3, 3, channels])
    around = to.op("Pad", image, pad_width=[[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
    kernels = (
        [[[[weight]] * channels for weight in row] for row in rows] for rows in (_SOBEL, zip(*_SOBEL, strict=True))
    )
    return to.op("Stack", [to.op("DepthwiseConv", around, kernel) for kernel in kernels], axis=-1)


@tf("image.total_variation")
def total_variation(to: Builder, images: Any) -> Any:
    batch = [slice(None)] * (to.rank(images) - 3)
    ahead, behind = slice(1, None), slice(None, -1)
    parts = [([*batch, *axis, ahead], [*batch, *axis, behind]) for axis in ([], [slice(None)])]
    rows, columns = (
        to.op("Subtract", to.op("GetItem", images, key), to.op("GetItem", images, before)) for key, before in parts
    )
    sums = [to.op("Sum", to.op("Absolute", one), axis=[-3, -2, -1]) for one in (rows, columns)]
    return to.op("Add", *sums)


_YUV = [[0.299, -0.14714119, 0.61497538], [0.587, -0.28886916, -0.51496512], [0.114, 0.43601035, -0.10001026]]
_RGB = [[1.0, 1.0, 1.0], [0.0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0.0]]


@tf("image.rgb_to_yuv")
def rgb_to_yuv(to: Builder, images: Any) -> Any:
    return to.op("Matmul", images, _YUV)


@tf("image.yuv_to_rgb")
def yuv_to_rgb(to: Builder, images: Any) -> Any:
    return to.op("Matmul", images, _RGB)


@tf("image.psnr")
def psnr(to: Builder, a: Any, b: Any, max_val: Any) -> Any:
    error = to.op("Mean", to.op("Square", to.op("Subtract", a, b)), axis=[-3, -2, -1])
    return to.op("Multiply", to.op("Log10", to.op("TrueDivide", number(max_val, "max_val") ** 2, error)), 10.0)


@tf("image.resize_with_pad")
def resize_with_pad(
    to: Builder, image: Any, target_height: Any, target_width: Any, method: Any = "bilinear", antialias: Any = False
) -> Any:
    targets = (whole(target_height, "target_height"), whole(target_width, "target_width"))
    lengths = [whole(n, "the size of the images") for n in to.lengths(image)[-3:-1]]
    ratio = max(n / m for n, m in zip(lengths, targets, strict=True))
    size = [int(n / ratio) for n in lengths]
    before = [max(0, int((m - n / ratio) / 2)) for n, m in zip(lengths, targets, strict=True)]
    small = resized(to, image, size, _method(method), antialias=bool(antialias))
    return _padded(to, small, [[b, m - b - n] for b, m, n in zip(before, targets, size, strict=True)])
