"""Types for the arguments of a layer of your own: each takes what Keras takes, checks it, and describes it in the schema.

    from spec_compiler.fields import InitializerField, PositiveInt

    class Gain(LayerSpec):
        groups: PositiveInt = 1
        gain_initializer: InitializerField = "ones"

Plain Python types do as well: `float`, `str`, `Literal["mean", "sum"]`, `list[float]`.
"""

from spec_compiler.specs.shapes import Shape as Shape
from spec_compiler.specs.types import Activation as Activation
from spec_compiler.specs.types import ConstraintField as ConstraintField
from spec_compiler.specs.types import InitializerField as InitializerField
from spec_compiler.specs.types import LayerField as LayerField
from spec_compiler.specs.types import NonNegativeFloat as NonNegativeFloat
from spec_compiler.specs.types import NonNegativeInt as NonNegativeInt
from spec_compiler.specs.types import Pair as Pair
from spec_compiler.specs.types import PositiveFloat as PositiveFloat
from spec_compiler.specs.types import PositiveInt as PositiveInt
from spec_compiler.specs.types import Rate as Rate
from spec_compiler.specs.types import RegularizerField as RegularizerField

__all__ = [
    "Activation",
    "ConstraintField",
    "InitializerField",
    "LayerField",
    "NonNegativeFloat",
    "NonNegativeInt",
    "Pair",
    "PositiveFloat",
    "PositiveInt",
    "Rate",
    "RegularizerField",
    "Shape",
]
