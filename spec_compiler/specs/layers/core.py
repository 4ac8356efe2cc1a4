"""The layers every model is made of: inputs, dense projections, what lets through and what masks."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from spec_compiler.specs.activations import activated_shape
from spec_compiler.specs.base import LayerSpec, MaskRule
from spec_compiler.specs.initializers.constant import Zeros
from spec_compiler.specs.initializers.fans import GlorotUniform
from spec_compiler.specs.shapes import RankError, Shape, require_dim, require_min_rank, show
from spec_compiler.specs.types import (
    TENSOR_DTYPES,
    Activation,
    Bool,
    ConstraintField,
    Float,
    InitializerField,
    Layout,
    NoAdapter,
    NoAdapterScale,
    PositiveInt,
    RegularizerField,
    ShapeField,
    kept_dtype,
)
from spec_compiler.specs.variable import Variable


class InputLayer(LayerSpec):
    """What goes into a model: a shape and a dtype."""

    batch_shape: ShapeField
    """Shape of a batch, batch axis first; null where a length is not known."""
    sparse: Bool = False
    """Whether the input is a sparse tensor; only false can be built."""
    ragged: Bool = False
    """Whether the input is a ragged tensor; only false can be built."""
    optional: Bool = False
    """Whether the input may be left out."""

    @model_validator(mode="before")
    @classmethod
    def _shape_and_batch_size(cls, config: Any) -> Any:
        # Python code states `shape=` and `batch_size=`; files since Keras 3 the whole `batch_shape`.
        if not isinstance(config, dict) or "shape" not in config:
            return config
        config = dict(config)
        shape = config.pop("shape")
        config["batch_shape"] = (config.pop("batch_size", None), *shape)
        return config

    def infer_shape(self, *inputs: Shape) -> Shape:
        return self.batch_shape

    @model_validator(mode="after")
    def _of_numbers(self) -> Self:
        if self.dtype not in TENSOR_DTYPES:
            raise ValueError(f"an input is of a dtype of numbers, as float32 or int32, got {self.dtype}")
        return self

    def output_dtype(self, *dtypes: str) -> str:
        return self.compute_dtype

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # An input has nothing to train or to compute, so Keras writes a bare dtype.
        del config["trainable"]
        return config | {"dtype": self.dtype}


class Dense(LayerSpec):
    """Compute `activation(x @ kernel + bias)` over the last axis: (..., n) -> (..., units)."""

    units: PositiveInt
    """Length of the output's last axis."""
    activation: Activation = "linear"
    """Applied to the output; null or `linear`: none."""
    use_bias: Bool = True
    """Whether a bias vector is added."""
    kernel_initializer: InitializerField = GlorotUniform()
    """Start of the kernel, (n, units)."""
    bias_initializer: InitializerField = Zeros()
    """Start of the bias, (units,)."""
    kernel_regularizer: RegularizerField = None
    """Penalty on the kernel, added to the loss."""
    bias_regularizer: RegularizerField = None
    """Penalty on the bias, added to the loss."""
    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""
    kernel_constraint: ConstraintField = None
    """What the kernel is projected onto after each step."""
    bias_constraint: ConstraintField = None
    """What the bias is projected onto after each step."""
    lora_rank: NoAdapter = None
    """Keras's field for low-rank adapters; only null, or 0, can be built."""
    lora_alpha: NoAdapterScale = None
    """Keras's field for low-rank adapters, of which there are none: any number, and nothing comes of it."""
    quantization_config: None = None
    """Keras's field for quantized layers; only null can be built."""

    unstated = ("activity_regularizer", "lora_rank", "lora_alpha")
    supports_masking: ClassVar[bool] = True

    def infer_shape(self, x: Shape) -> Shape:
        require_min_rank(x, 2, "Dense")
        return activated_shape(self.activation, (*x[:-1], self.units))

    def variables(self, x: Shape) -> list[Variable]:
        n = require_dim(x, -1, "Dense")
        of_kernel = (self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint)
        kernel = Variable("kernel", (n, self.units), *of_kernel)
        bias = Variable("bias", (self.units,), self.bias_initializer, self.bias_regularizer, self.bias_constraint)
        return [kernel, bias] if self.use_bias else [kernel]


class Identity(LayerSpec):
    """Return the input."""

    supports_masking: ClassVar[bool] = True

    def output_dtype(self, *dtypes: str) -> str:
        return kept_dtype(self.compute_dtype, dtypes[0])

    def layout(self, rank: int) -> Layout:
        return "any"


class Masking(LayerSpec):
    """Mask the time steps whose every feature equals `mask_value`, and set them to zero."""

    mask_value: Float = 0.0
    """The value that means there is nothing."""

    supports_masking: ClassVar[bool] = True

    def infer_shape(self, x: Shape) -> Shape:
        if len(x) < 2:
            raise RankError(f"Masking takes an input of rank 2 or more (batch axis included), got {show(x)}")
        return x

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return "computed"
