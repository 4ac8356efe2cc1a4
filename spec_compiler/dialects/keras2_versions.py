"""What a file of Keras 2's means by the version that wrote it, where the versions differ and the words do not.

keras-team's Keras ran until 2.3 on several backends. tf.keras, which took its place, adds `-tf` to its versions until 2.3.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from spec_compiler.dialects.arguments import Arguments, Rules
from spec_compiler.dialects.items import mappings
from spec_compiler.specs.model import ModelSpec, Origin

_STATED = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(-tf)?")
_OF_IMAGES = re.compile("[23]D")
_ORDERED = ("SpatialDropout2D", "SpatialDropout3D")
"""Layers that go by an order of axes, and that no version has write it: it is that of the rest of the model."""
_CUT = 0.87962566103423978
"""Standard deviation of a normal distribution of deviation 1 that is cut at two of them."""


class Written(NamedTuple):
    """The version that wrote a file."""

    numbers: tuple[int, int, int]
    of_tensorflow: bool
    """Whether it was tf.keras."""

    @classmethod
    def of(cls, origin: Origin) -> Written | None:
        """The version that the file states; None where it states none of Keras 2's."""
        found = _STATED.match(origin.keras_version or "")
        if found is None or found[1] != "2":
            return None
        numbers = (int(found[1]), int(found[2]), int(found[3] or 0))
        return cls(numbers, found[4] is not None or numbers >= (2, 4))

    @property
    def aligns_corners(self) -> bool:
        """Whether UpSampling2D's `bilinear` is that of TensorFlow 1, which has pixels begin where their numbers say.

        tf.keras wrote the interpolation only when it had TensorFlow 2's, whose pixels have their centres there.
        """
        return not self.of_tensorflow

    @property
    def attends_unmasked(self) -> bool:
        """Whether MultiHeadAttention neither follows the masks that its inputs bear nor passes one on."""
        return self.numbers < (2, 10)

    @property
    def puts_trained_first(self) -> bool:
        """Whether a model inside another has its weights that train before all others, as every other layer has."""
        return not self.of_tensorflow or self.numbers < (2, 2, 4)

    @property
    def cuts_variance(self) -> bool:
        """Whether VarianceScaling's `normal` is cut without being scaled up for it."""
        return self.numbers < ((2, 1, 6) if self.of_tensorflow else (2, 2))


def rules(origin: Origin, data: Any) -> Rules:
    """How the words of the file differ from those of the last Keras 2, and what its layers do not say."""
    written = Written.of(origin)
    corners = written is not None and written.aligns_corners and _on_tensorflow(origin)
    cuts = written is not None and written.cuts_variance
    return Rules(
        steps={"UpSampling2D": _pixels_by_their_corners} if corners else {},
        absent={key: {"data_format": "channels_first"} for key in _ORDERED} if _has_channels_first(data) else {},
        object_steps={"VarianceScaling": _cut} if cuts else {},
    )


def follow(spec: ModelSpec, origin: Origin) -> None:
    """Have the layers of `spec` keep their weights in the order of the file's version."""
    written = Written.of(origin)
    in_models = written is not None and written.puts_trained_first
    for layer in spec.walk():
        layer._puts_trained_first = in_models or not isinstance(layer, ModelSpec)


def _has_channels_first(data: Any) -> bool:
    """Whether that is the order of axes of the first layer for images or volumes that states one."""
    for item in mappings(data):
        name, config = item.get("class_name"), item.get("config")
        if isinstance(name, str) and _OF_IMAGES.search(name) and isinstance(config, dict):
            if (order := config.get("data_format")) in ("channels_first", "channels_last"):
                return bool(order == "channels_first")
    return False


def fits(spec: ModelSpec, origin: Origin) -> bool:
    """Whether the version that `origin` states means by its words what the layers of `spec` are."""
    written = Written.of(origin)
    corners = written is not None and written.aligns_corners and _on_tensorflow(origin)
    unmasked = written is not None and written.attends_unmasked
    for layer in spec.walk():
        name = type(layer).__name__
        if name == "UpSampling2D" and getattr(layer, "interpolation", "") == "bilinear":
            if getattr(layer, "half_pixel_centers", True) == corners:
                return False
        elif getattr(layer, "attends_unmasked", unmasked) != unmasked:
            return False
    return True


def _on_tensorflow(origin: Origin) -> bool:
    return origin.backend in (None, "tensorflow")


def _pixels_by_their_corners(args: Arguments) -> None:
    if args.values.get("interpolation") == "bilinear":
        args.put("half_pixel_centers", False, "interpolation")


def _cut(config: dict[str, Any]) -> dict[str, Any]:
    scale = config.get("scale", 1.0)
    if config.get("distribution", "normal") != "normal" or not isinstance(scale, (int, float)):
        return config
    return {**config, "scale": scale * _CUT**2, "distribution": "truncated_normal"}


def uncut(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a VarianceScaling in the words of the versions that cut the variance."""
    if config["distribution"] != "truncated_normal":
        return config
    # The digits beyond are what the multiplication left.
    return {**config, "scale": float(f"{config['scale'] / _CUT**2:.14g}"), "distribution": "normal"}
