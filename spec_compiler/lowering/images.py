"""Lowerings of `specs.layers.images`."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr, differing
from spec_compiler.lowering.ops_image import cropped, surrounded
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.regularization import own
from spec_compiler.lowering.table import lowers
from spec_compiler.nn import images as nn_images
from spec_compiler.nn import ops_image as nn_ops_image
from spec_compiler.specs.layers.images import CenterCrop, RandomFlip, RandomRotation, Resizing


@lowers(Resizing)
def resizing(layer: Resizing, call: Call, x: Proxy) -> Any:
    size, dtype = (layer.height, layer.width), call.node.inputs[0].dtype
    whole = "int" in dtype or dtype == "bool"
    nearest = layer.interpolation == "nearest"
    smooth = {"antialias": True} if layer.antialias and not nearest else {}
    # torch smooths nothing of half precision on the CPU.
    half = not whole and bool(smooth) and call.compute_dtype in ("float16", "bfloat16")
    x = x.float() if whole or half else x
    if layer.crop_to_aspect_ratio:
        x = cropped(x, *layer.known_dims(call.shapes[0]), *size)
    elif layer.pad_to_aspect_ratio:
        x = surrounded(x, *layer.known_dims(call.shapes[0]), *size, layer.fill_value)
    y = F.interpolate(x, size, mode="nearest-exact" if nearest else layer.interpolation, **smooth)
    if not whole:
        return call.cast(y) if half else y
    return (y.clamp(0, 255) if dtype == "uint8" else y).round().to(getattr(torch, dtype))


@lowers(CenterCrop)
def center_crop(layer: CenterCrop, call: Call, x: Proxy) -> Any:
    height, width = layer.known_dims(call.shapes[0])
    top, left = (height - layer.height) // 2, (width - layer.width) // 2
    if top >= 0 and left >= 0:
        return x[:, :, top : top + layer.height, left : left + layer.width]
    x = cropped(x, height, width, layer.height, layer.width)
    return F.interpolate(x, (layer.height, layer.width), mode="bilinear")


@lowers(RandomFlip)
def random_flip(layer: RandomFlip, call: Call, x: Proxy) -> Any:
    dims = [dim for dim, word in ((2, "vertical"), (3, "horizontal")) if word in layer.mode]
    return own(call, x, ModuleExpr(nn_images.RandomFlip, tuple(dims)), 1)


@lowers(RandomRotation)
def random_rotation(layer: RandomRotation, call: Call, x: Proxy) -> Any:
    kwargs = differing({
        "linear": (layer.interpolation == "bilinear", True),
        "fill_mode": (layer.fill_mode, "reflect"),
        "fill_value": (layer.fill_value, 0),
    })  # fmt: skip
    expr = ModuleExpr(nn_images.RandomRotation, nn_ops_image.affine_transform, *layer.factor, **kwargs)
    if not layer.channels_first:
        return own(call, x, expr, 1)
    return own(call, x.movedim(1, -1), expr, 1).movedim(-1, 1)
