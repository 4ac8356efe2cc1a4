"""Layers that Keras 3 does not have: what it has instead, and which have no equal there."""

from __future__ import annotations

from typing import Any, cast

from spec_compiler.diagnostics import UNSUPPORTED, Reporter, show
from spec_compiler.dialects.known import KERAS_LAYERS
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.activation import ReLU
from spec_compiler.specs.layers.conv_transpose import Conv2DTranspose
from spec_compiler.specs.model import ModelSpec


def today(layer: Any) -> LayerSpec:
    """The layer of Keras 3 that computes the same; `layer` itself where it is Keras 3's, or none is its equal."""
    name = type(layer).__name__
    if name == "ThresholdedReLU":
        return ReLU(name=layer.name, trainable=layer.trainable, dtype=layer.dtype, threshold=layer.theta)
    return sized_by_padding(layer) if name == "Deconvolution2D" else cast(LayerSpec, layer)


def sized_by_padding(layer: Any) -> LayerSpec:
    """Deconvolution2D, which states its output's size, as the layer that is told how much longer that is than the least."""
    extra = []
    for (m, n), window in zip(layer.sizes(), layer.windows(), strict=True):
        extra.append(m - (n - 1) * window.stride - (window.size % 2 if layer.padding == "same" else window.size))
        if extra[-1] >= window.stride:
            # An even window that gives the usual size, which only leaving out the padding of both axes says.
            return cast(LayerSpec, layer)
    fields = {name: getattr(layer, name) for name in Conv2DTranspose.model_fields}
    return Conv2DTranspose(**{**fields, "output_padding": tuple(extra)})


def warn_of_lacking(spec: ModelSpec, reporter: Reporter) -> None:
    """Warn of every layer that Keras 3 cannot load, and of arguments that it does not know."""
    for layer in spec.walk():
        if is_lacking(layer):
            message = f"layer {show(layer.name)}: Keras 3 has no {layer.class_name}"
            help = "the file opens in spec_compiler, and in Keras with a class of that name among its custom_objects"
            reporter.warn(UNSUPPORTED, message, layer.path, help=help)
        for name in _arguments_of_2(layer):
            message = f"layer {show(layer.name)}: Keras 3's {layer.class_name} has no {name}"
            reporter.warn(UNSUPPORTED, message, layer.path, help="the file opens in spec_compiler, and not in Keras 3")


def _arguments_of_2(layer: LayerSpec) -> list[str]:
    """What the layer has from Keras 2 and Keras 3 refuses."""
    found = ["time_major"] if getattr(layer, "time_major", False) else []
    if not getattr(layer, "half_pixel_centers", True):
        found.append("half_pixel_centers")
    causal = layer.class_name == "SeparableConv1D" and getattr(layer, "padding", None) == "causal"
    return [*found, "causal padding"] if causal else found


def is_lacking(layer: LayerSpec) -> bool:
    """Whether it is a layer of ours, or of Keras's in old days, that Keras 3 cannot load."""
    if isinstance(layer, ModelSpec) or layer.keras_module is not None:
        return False
    return type(layer).__module__.startswith("spec_compiler.") and today(layer).class_name not in KERAS_LAYERS
