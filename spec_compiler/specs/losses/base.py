"""What every loss takes and does."""

from inspect import get_annotations
from typing import Any, ClassVar, Literal

from spec_compiler.specs.arguments import ArgumentsSpec
from spec_compiler.specs.types import DType

Reduction = Literal["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"] | None


class Loss:
    """Base of your own losses: subclass it and define `call(y_true, y_pred)`, one value a sample or element.

    Arguments: `name` (None: the class's name), `reduction` (how the values become one number; see `LossSpec`) and
    `dtype`, which targets and predictions are cast to before `call`.
    """

    def __init__(
        self, name: str | None = None, reduction: Reduction = "sum_over_batch_size", dtype: str | None = None
    ) -> None:
        allowed = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)
        if reduction not in allowed:
            raise ValueError(f"reduction={reduction!r} is none of {', '.join(map(repr, allowed))}")
        self.name = name
        self.reduction = reduction
        self.dtype = dtype or "float32"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample or element, not reduced."""
        raise NotImplementedError(f"{type(self).__name__} does not define call(y_true, y_pred)")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss, a torch tensor; each value is multiplied by its `sample_weight` first."""
        from spec_compiler.runtime.losses import compute

        return compute(self, y_true, y_pred, sample_weight)


class LossSpec(ArgumentsSpec, Loss):
    """What every loss takes."""

    kind = "loss"
    unstated: ClassVar[tuple[str, ...]] = ("dtype",)

    reduction: Reduction = "sum_over_batch_size"
    """How the values become one number: their sum (`sum`), divided by their count (`sum_over_batch_size`, `mean`) or by
    the sum of the sample weights (`mean_with_sample_weight`); `none` keeps them."""
    name: str | None = None
    """The loss's name."""
    dtype: DType = "float32"
    """What targets and predictions are cast to."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "reduction" in get_annotations(cls):
            return
        # The name is stated anew by each loss, and so among its own arguments; Keras has the reduction before it.
        fields = list(cls.__pydantic_fields__.items())
        reduction = fields.pop([name for name, _ in fields].index("reduction"))
        fields.insert([name for name, _ in fields].index("name"), reduction)
        cls.__pydantic_fields__ = dict(fields)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample or element, not reduced."""
        from spec_compiler.runtime.losses import loss_function

        return loss_function(self)(y_true, y_pred)


def with_single_axis(config: dict[str, Any]) -> dict[str, Any]:
    """The config with one axis as a number, as Keras writes it."""
    axis = config["axis"]
    return {**config, "axis": axis[0]} if axis and len(axis) == 1 else config
