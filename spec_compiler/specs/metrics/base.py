"""What every metric takes and does."""

from typing import Any, ClassVar, Literal

from pydantic import PrivateAttr

from spec_compiler.specs.arguments import ArgumentsSpec
from spec_compiler.specs.registry import snake_case
from spec_compiler.specs.types import DType

Direction = Literal["up", "down"]


class Metric:
    """Base of your own metrics: define `update_state(y_true, y_pred, sample_weight=None)`, `result()`, `reset_state()`.

    The three are given, and return, torch tensors.
    """

    direction: ClassVar[Direction | None] = None

    def __init__(self, dtype: str | None = None, name: str | None = None) -> None:
        self.name = name
        self.dtype = dtype or "float32"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_state(y_true, y_pred, sample_weight)")

    def result(self) -> Any:
        """The metric over all batches since the last `reset_state()`."""
        raise NotImplementedError(f"{type(self).__name__} does not define result()")

    def reset_state(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} does not define reset_state()")


class MetricSpec(ArgumentsSpec, Metric):
    """What every metric takes. Used on its own, it accumulates; `compile` gives each model a state of its own."""

    kind = "metric"

    direction: ClassVar[Direction | None] = None
    """Whether more of it is better (`up`) or worse (`down`)."""

    name: str | None = None
    """What the metric is called in logs."""
    dtype: DType = "float32"
    """What it accumulates in."""

    _state: Any = PrivateAttr(default=None)

    def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
        """Add a batch of targets and predictions (of values, for `Mean` and `Sum`)."""
        self._accumulator().update_arrays(y_true, y_pred, sample_weight)

    def result(self) -> Any:
        """The metric over all batches since the last `reset_state()`, a torch tensor."""
        return self._accumulator().result()

    def reset_state(self) -> None:
        """Forget all batches."""
        self._accumulator().reset()

    def get_config(self) -> dict[str, Any]:
        """The arguments as Keras 3 writes them."""
        return {**super().get_config(), "name": self.name or snake_case(type(self).__name__)}

    def _accumulator(self) -> Any:
        if self._state is None:
            from spec_compiler.runtime.metrics import make_metric

            self._state = make_metric(self)
        return self._state
