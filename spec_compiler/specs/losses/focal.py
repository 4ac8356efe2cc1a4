"""Cross-entropies that weigh the hard samples up (Lin et al. 2018, arXiv:1708.02002)."""

from typing import Any

from spec_compiler.specs.losses.base import LossSpec, with_single_axis
from spec_compiler.specs.types import Axes, Bool, Float, Int, Rate


class BinaryFocalCrossentropy(LossSpec):
    """Binary cross-entropy times `(1 - p)^gamma`, p the probability given to the true class (arXiv:1708.02002)."""

    apply_class_balancing: Bool = False
    """Whether class 1 is weighted by `alpha` and class 0 by `1 - alpha`."""
    alpha: Float = 0.25
    """Weight of class 1."""
    gamma: Float = 2.0
    """How much well classified samples are discounted."""
    from_logits: Bool = False
    """Whether predictions are logits."""
    label_smoothing: Rate = 0.0
    """Moves targets towards 0.5."""
    axis: Axes | None = (-1,)
    """The axis, or axes, averaged over."""
    name: str | None = "binary_focal_crossentropy"

    def get_config(self) -> dict[str, Any]:
        """The arguments as Keras 3 writes them: a single axis is a number."""
        return with_single_axis(super().get_config())


class CategoricalFocalCrossentropy(LossSpec):
    """Cross-entropy with each term times `alpha · (1 - p)^gamma` (arXiv:1708.02002)."""

    alpha: Float = 0.25
    """Weight of every class."""
    gamma: Float = 2.0
    """How much well classified samples are discounted."""
    from_logits: Bool = False
    """Whether predictions are logits."""
    label_smoothing: Rate = 0.0
    """Moves targets towards `1 / classes`."""
    axis: Int = -1
    """The axis of the classes."""
    name: str | None = "categorical_focal_crossentropy"
