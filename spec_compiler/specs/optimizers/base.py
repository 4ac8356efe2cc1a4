"""What every optimizer takes."""

from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from spec_compiler.specs.arguments import ArgumentsSpec
from spec_compiler.specs.registry import snake_case
from spec_compiler.specs.types import Before, Bool, NonNegativeFloat, PositiveFloat, PositiveInt, Rate


def _learning_rate(value: Any) -> Any:
    if getattr(value, "kind", None) == "schedule":
        return value
    if isinstance(value, dict):
        from spec_compiler.specs.objects import resolve

        return resolve("schedule", value)
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise PydanticCustomError("learning_rate", "expected a number or a learning-rate schedule")
    rate = float(value)
    if not 0 <= rate < float("inf"):
        raise PydanticCustomError("learning_rate", "expected a finite number, 0 or more")
    return rate


LearningRate = Annotated[
    Any,
    Before(_learning_rate),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"$ref": "#/$defs/schedule"}]}),
]
"""A number, or a schedule: `CosineDecay(0.1, 1000)`, `{"CosineDecay": {...}}`, Keras's `{class_name, config}`."""

Momentum = Annotated[float, Field(ge=0, lt=1)]


class Optimizer(ArgumentsSpec):
    """What every optimizer takes."""

    kind = "optimizer"

    weight_decay: NonNegativeFloat | None = None
    """Each step first shrinks the weights by `weight_decay · learning_rate` of themselves."""
    clipnorm: PositiveFloat | None = None
    """Largest Euclidean norm of each variable's gradient."""
    clipvalue: PositiveFloat | None = None
    """Largest absolute value of a gradient's elements."""
    global_clipnorm: PositiveFloat | None = None
    """Largest Euclidean norm of all gradients together."""
    use_ema: Bool = False
    """Whether to keep a moving average of the weights, which replaces them when training ends."""
    ema_momentum: Rate = 0.99
    """Weight of the old average in the new."""
    ema_overwrite_frequency: PositiveInt | None = None
    """Steps after which the average replaces the weights; None: only at the end."""
    loss_scale_factor: PositiveFloat | None = None
    """Factor of the loss before the gradients are taken, and their divisor afterwards."""
    gradient_accumulation_steps: Annotated[PositiveInt, Field(ge=2)] | None = None
    """Steps whose gradients are averaged before the weights change."""
    name: str | None = None
    """The optimizer's name."""

    _undecayed: tuple[tuple[Any, ...], tuple[str, ...]] = PrivateAttr(default=((), ()))

    @model_validator(mode="after")
    def _one_clipping(self) -> Self:
        given = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"only one of clipnorm, clipvalue, global_clipnorm can be set, got {' and '.join(given)}")
        return self

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Leave variables out of `weight_decay`: those in `var_list`, and those whose names hold one of `var_names`.

        `var_names` are regular expressions, as in Keras. Call it before the model is compiled.
        """
        self._undecayed = (tuple(var_list or ()), tuple(var_names or ()))

    def get_config(self) -> dict[str, Any]:
        """The arguments as Keras 3 writes them."""
        return {**super().get_config(), "name": self.name or snake_case(type(self).__name__)}
