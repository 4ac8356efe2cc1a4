"""How a model is trained: what `compile` and `fit` take, as a file's `training:` section or Keras's `compile_config`."""

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from spec_compiler.diagnostics import show
from spec_compiler.specs.base import SpecObject
from spec_compiler.specs.types import Before, Bool, Float, NonNegativeInt, PositiveInt, _one_of, _schema_of


def _each(kind: str) -> Before:
    """Resolve an object of `kind`, or a list or a mapping (by output name) of them."""

    def resolve_each(value: Any) -> Any:
        from spec_compiler.specs.registry import find

        by_output = isinstance(value, dict) and "class_name" not in value
        if by_output and not (len(value) == 1 and find(kind, next(iter(value))) is not None):
            return {key: resolve_at(key, item) for key, item in value.items()}
        return resolve_several(value)

    def resolve_several(value: Any) -> Any:
        from spec_compiler.specs.objects import resolve

        if isinstance(value, (list, tuple)):
            return [resolve_at(i, item) for i, item in enumerate(value)]
        found = resolve(kind, value)
        # A name stays one: shapes decide what "accuracy" is, and "mse" is what the logs call it.
        return value if isinstance(value, str) else found

    def resolve_at(key: str | int, value: Any) -> Any:
        try:
            return resolve_several(value)
        except PydanticCustomError as error:
            context = dict(error.context or {})
            context["at"] = (key, *context.get("at", ()))
            raise PydanticCustomError(error.type, error.message_template, context) from None

    return Before(resolve_each)


def _each_schema(kind: str) -> WithJsonSchema:
    one = {"$ref": f"#/$defs/{kind}"}
    several = {"type": "array", "items": {"anyOf": [one, {"type": "array", "items": one}]}}
    by_output = {"type": "object", "additionalProperties": {"anyOf": [one, {"type": "array", "items": one}]}}
    return WithJsonSchema({"anyOf": [one, several, by_output]})


LossField = Annotated[Any, _each("loss"), _each_schema("loss")]
MetricsField = Annotated[Any, _each("metric"), _each_schema("metric")]
OptimizerField = Annotated[Any, _one_of("optimizer"), _schema_of("optimizer")]
CallbackField = Annotated[Any, _one_of("callback"), _schema_of("callback")]


def _check_data_path(path: str) -> str:
    """Refuse what is no data file in or below the folder of the file that names it: files may come from strangers."""
    parts = PurePosixPath(path).parts
    below = bool(parts) and not any(part.startswith((".", "/", "~")) for part in parts)
    if not below or any(mark in path for mark in ":\\\0") or not path.endswith((".npz", ".csv")):
        message = "a model file may name a .npz or .csv file in its own folder or below, got {path}"
        help = "give the data on the command line, with --data"
        raise PydanticCustomError("unsafe_path", message, {"path": show(path), "help": help})
    return path


class FitSpec(SpecObject):
    """What `fit` takes of a file."""

    kind = "training"
    called = "training.fit"

    batch_size: PositiveInt = 32
    """Samples a step."""
    epochs: PositiveInt = 1
    """Passes over the data."""
    validation_split: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Fraction of the data, taken from its end, that is evaluated after each epoch and not trained on."""
    shuffle: Bool = True
    """Whether each epoch sees the samples in a new order."""
    class_weight: dict[int, Float] | None = None
    """Weight of each class's samples in the loss; classes left out weigh 1."""
    initial_epoch: NonNegativeInt = 0
    """Epoch to start counting at."""
    seed: NonNegativeInt | None = None
    """Seed of weights, order and dropout; None: a new one each run."""


class TrainingSpec(SpecObject):
    """How to train the model: `optimizer`, `loss`, `metrics`, and what `fit` takes."""

    kind = "training"
    called = "training"

    optimizer: OptimizerField = None
    """A name or an object; None: `rmsprop`, as in Keras."""
    loss: LossField = None
    """A loss, or one for each output, as a list or by output name."""
    loss_weights: Float | list[Float] | dict[str, Float] | None = None
    """Weight of each output's loss in the total; None: 1."""
    metrics: MetricsField = None
    """Metrics, or lists of them for each output, as a list or by output name."""
    weighted_metrics: MetricsField = None
    """Like `metrics`, but weighted by `sample_weight` and `class_weight`."""
    data: Annotated[str, AfterValidator(_check_data_path)] | None = None
    """The training data: a `.npz` or `.csv` file, relative to the file this stands in."""
    callbacks: list[CallbackField] = []
    """What watches the training."""
    fit: FitSpec = Field(default_factory=FitSpec)
    """Batch size, epochs and the like."""
