"""A model as what `pickle` and `copy.deepcopy` take of it: spec, weights, how it was compiled, and its optimizer's state."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spec_compiler.runtime.model import Model


def state_of(model: Model) -> dict[str, Any]:
    """What `restored` makes the model of again."""
    step = model._step
    return {
        "spec": deepcopy(model.spec),
        "weights": model.module.state_dict() if model.built else None,
        "compiled": {**model._arguments, "jit_compile": model._jit} if model._arguments is not None else None,
        "optimizer": None if step is None or not hasattr(step, "optimizer") else deepcopy(step.optimizer.state_dict()),
    }


def restored(state: dict[str, Any]) -> Model:
    """A model of its own with the state of another."""
    from spec_compiler.runtime.model import Model

    model = Model.from_spec(state["spec"])
    if state["weights"] is not None:
        model.module.load_state_dict(state["weights"])
    if state["compiled"] is not None:
        model.compile(**state["compiled"])
    if state["optimizer"] is not None:
        model.optimizer.load_state_dict(state["optimizer"])
    return model
