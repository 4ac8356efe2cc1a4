"""What a layer of the user's own must give, checked where it is first asked: its code is told from what is amiss with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec_compiler.diagnostics import show
from spec_compiler.specs.shapes import ShapeError

if TYPE_CHECKING:
    from spec_compiler.specs.base import LayerSpec


class ContractError(TypeError):
    """A layer class of the user's own gives what no layer can: `Mine.infer_shape() returned 7, …`."""

    def __init__(self, layer: LayerSpec, message: str) -> None:
        super().__init__(f"{type(layer).__name__}{message}")
        self.module = type(layer).__module__
        """Where the class stands."""


def is_own(layer: LayerSpec) -> bool:
    """Whether the layer's class is the user's."""
    return not type(layer).__module__.startswith("spec_compiler.")


def check_shapes(layer: LayerSpec, found: Any) -> None:
    """Raise ContractError where the user's `infer_shape` returned no shape, nor a list of them."""
    if is_own(layer):
        for shape in found if isinstance(found, list) else [found]:
            known = isinstance(shape, tuple) and all(n is None or type(n) is int for n in shape)
            if not known:
                wanted = (
                    "a tuple of whole numbers, None where a length is not known, or for several outputs a list of them"
                )
                raise ContractError(layer, f".infer_shape() returned {show(found)}, expected {wanted}")


def check_variables(layer: LayerSpec, found: Any) -> None:
    """Raise ContractError where the user's `variables` returned no weights, ShapeError where a length is not known."""
    from spec_compiler.specs.variable import Variable

    if not is_own(layer):
        return
    if not isinstance(found, list) or not all(isinstance(one, Variable) for one in found):
        raise ContractError(layer, f".variables() returned {show(found)}, expected a list of Variables")
    for variable in found:
        if not isinstance(variable.shape, tuple) or not all(n is None or type(n) is int for n in variable.shape):
            wanted = f"shape {show(variable.shape)}, expected a tuple of whole numbers"
            raise ContractError(layer, f".variables() gives weight '{variable.name}' the {wanted}")
        if None in variable.shape:
            raise ShapeError(f"its weight '{variable.name}' has shape {variable.shape}, whose lengths must be known")
