"""Reads a short-form document: its sections, then the model they define."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from spec_compiler.diagnostics import (
    BAD_PARAMETER,
    BAD_TRAINING,
    DUPLICATE_NAME,
    INVALID_VALUE,
    MISSING_ARGUMENT,
    NO_OUTPUT,
    UNKNOWN_ARGUMENT,
    UNKNOWN_OUTPUT,
    Path,
    Reporter,
    did_you_mean,
    show,
)
from spec_compiler.dialects import masks
from spec_compiler.dialects.frozen import freeze_within
from spec_compiler.dialects.short.build import Builder, TooLarge
from spec_compiler.dialects.short.document import UNKNOWN, Block, Input, ModelDefinition, any_of, checked_name, mapping
from spec_compiler.dialects.short.expressions import is_expression
from spec_compiler.dialects.short.items import OPTIONS, Definitions, Items
from spec_compiler.dialects.short.names import Names
from spec_compiler.specs import registry
from spec_compiler.specs.base import SpecObject
from spec_compiler.specs.faults import report_faults
from spec_compiler.specs.model import FunctionalSpec, ModelSpec, Origin, refs_in

if TYPE_CHECKING:
    from spec_compiler.specs.training import TrainingSpec

MODEL_KEYS = ("inputs", "layers", "outputs", "trainable")
ROOT_KEYS = ("name", *MODEL_KEYS, "blocks", "models", masks.KEY, "training", "$schema")
BLOCK_KEYS = ("params", "layers")
_INPUTS = "`inputs: {image: [28, 28, 1]}`, or `{image: {shape: [28, 28, 1], dtype: uint8}}`"
BLOCK_INPUT = "input"
"""The name of a block's input inside it."""


S = TypeVar("S", bound=SpecObject)


def read(data: Any, reporter: Reporter) -> ModelSpec | None:
    """The model that a short-form document defines; None where a fault was reported, all in one run."""
    before = reporter.error_count
    if not isinstance(data, dict):
        reporter.report(INVALID_VALUE, f"expected a model, a mapping with `layers`, got {show(data)}")
        return None
    document = _Reader(reporter)
    spec = document.model(data)
    training = document.training(data.get("training"), spec)
    if spec is None or reporter.error_count > before:
        return None
    spec.training = training
    for layer in spec.walk():
        masks.follow(layer, masks.said(data))
    freeze_within(spec, unless_stated=True)
    spec._origin = Origin("short")
    return spec


class _Reader:
    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter

    def model(self, data: dict[Any, Any]) -> ModelSpec | None:
        """The document's model."""
        self._check_keys(data, ROOT_KEYS, (), "a model")
        if masks.KEY in data and masks.said(data) is None:
            message = f"{masks.KEY}: expected one of {', '.join(masks.RULES)}, got {show(data[masks.KEY])}"
            help = "leave it out, for masks as in Keras 3"
            self.reporter.report(INVALID_VALUE, message, (masks.KEY,), help=help)
        name = checked_name(data["name"], ("name",), "name", self.reporter) if data.get("name") is not None else None
        definitions = self._definitions(data)
        root = ModelDefinition(name, ())
        self._read_model(root, data, definitions)
        try:
            return Builder(definitions, self.reporter).model(root, name, ())
        except TooLarge:
            return None

    def _definitions(self, data: dict[Any, Any]) -> Definitions:
        """The blocks and models, all of which may name each other."""
        raw_blocks = self._named(data.get("blocks"), "blocks", "`blocks: {residual: {params: …, layers: …}}`")
        raw_models = self._named(data.get("models"), "models", "`models: {encoder: {inputs: …, layers: …}}`")
        for name in raw_models.keys() & raw_blocks.keys():
            self._report_taken(name, ("models", name), "a block")
        blocks = {name: self._block(name, raw) for name, raw in raw_blocks.items()}
        models = {name: ModelDefinition(name, ("models", name)) for name in raw_models}
        definitions = Definitions(blocks, models, self.reporter)
        for name, raw in raw_blocks.items():
            items = Items(definitions, [BLOCK_INPUT], blocks[name].parameters, self.reporter)
            items.read(raw.get("layers"), ("blocks", name, "layers"), f"block {show(name)}")
            blocks[name].items = items.items
        for name, raw in raw_models.items():
            self._check_keys(raw, MODEL_KEYS, ("models", name), "a nested model")
            self._read_model(models[name], raw, definitions)
        return definitions

    def _named(self, value: Any, section: str, example: str) -> dict[str, dict[Any, Any]]:
        """The section's definitions that can be read, by name."""
        found = {}
        for name, raw in mapping(value, (section,), section, self.reporter, example).items():
            path = (section, name)
            if checked_name(name, path, f"{section}: a key", self.reporter) is None:
                continue
            if "A" <= name[0] <= "Z":
                message = f"{section}: {show(name)} begins with a capital letter, as layer classes do"
                help = f"call it {show(name[0].lower() + name[1:])}"
                self.reporter.report(INVALID_VALUE, message, path, help=help, on_key=True)
            elif name in OPTIONS:
                self._report_taken(name, path, "a key of every item")
            elif registry.find("layer", name) is not None:
                self._report_taken(name, path, "a layer class")
            elif not isinstance(raw, dict):
                message = f"{section}: expected a mapping, got {show(raw)}"
                self.reporter.report(INVALID_VALUE, message, path, help=f"write {example}")
            else:
                found[name] = raw
        return found

    def _report_taken(self, name: str, path: Path, what: str) -> None:
        self.reporter.report(DUPLICATE_NAME, f"the name {show(name)} is taken by {what}", path, on_key=True)

    def _block(self, name: str, raw: dict[Any, Any]) -> Block:
        """The block and its parameters; its items follow when all names are known."""
        path = ("blocks", name)
        self._check_keys(raw, BLOCK_KEYS, path, "a block")
        parameters = {}
        example = "`params: {filters: null, kernel: 3}`, null where it must be given"
        for key, default in mapping(raw.get("params"), (*path, "params"), "params", self.reporter, example).items():
            if not isinstance(key, str) or not key.isidentifier():
                message = f"{show(key)} cannot be a parameter: it is no plain word"
                self.reporter.report(BAD_PARAMETER, message, (*path, "params", key), on_key=True)
            elif is_expression(default):
                message = f"parameter {show(key)}: a default is a plain value, got {show(default)}"
                self.reporter.report(BAD_PARAMETER, message, (*path, "params", key))
            else:
                parameters[key] = default
        return Block(name, path, parameters)

    def _read_model(self, definition: ModelDefinition, raw: dict[Any, Any], definitions: Definitions) -> None:
        path = definition.path
        what = "the model" if not path else f"model {show(definition.name)}"
        definition.inputs = self._inputs(raw.get("inputs"), (*path, "inputs"))
        items = Items(definitions, [given.name for given in definition.inputs], (), self.reporter)
        names = items.read(raw.get("layers"), (*path, "layers"), what)
        definition.items = items.items
        if raw.get("outputs") is not None:
            definition.outputs = self._outputs(raw["outputs"], (*path, "outputs"), names)
        trainable = raw.get("trainable")
        if trainable is None or isinstance(trainable, bool):
            definition.trainable = trainable
        else:
            message = f"trainable: expected true or false, got {show(trainable)}"
            self.reporter.report(INVALID_VALUE, message, (*path, "trainable"))

    def _inputs(self, value: Any, path: Path) -> list[Input]:
        inputs = []
        for key, raw in mapping(value, path, "inputs", self.reporter, _INPUTS).items():
            at = (*path, key)
            name = checked_name(key, at, "inputs: a key", self.reporter)
            if name is not None:
                inputs.append(Input(name, self._input(raw, at), at))
        return inputs

    def _input(self, raw: Any, path: Path) -> dict[str, Any] | None:
        """Arguments of an InputLayer: a shape alone, or a mapping with `shape` in it."""
        if isinstance(raw, list):
            return {"shape": raw} if self._is_shape(raw, path) else None
        if not isinstance(raw, dict):
            message = f"expected a shape, a list without the batch axis, got {show(raw)}"
            self.reporter.report(INVALID_VALUE, message, path, help=f"write {_INPUTS}")
            return None
        stray = [key for key in ("batch_shape", "name") if key in raw]
        for key in stray:
            self.reporter.report(
                UNKNOWN_ARGUMENT, f"an input has no {show(key)}", (*path, key), help=f"write {_INPUTS}", on_key=True
            )
        if "shape" not in raw:
            self.reporter.report(MISSING_ARGUMENT, "an input needs its `shape`", path, help=f"write {_INPUTS}")
            return None
        return raw if self._is_shape(raw["shape"], (*path, "shape")) and not stray else None

    def _is_shape(self, value: Any, path: Path) -> bool:
        if not isinstance(value, list):
            message = f"expected a shape, a list without the batch axis, got {show(value)}"
            self.reporter.report(INVALID_VALUE, message, path)
            return False
        faulty = [
            i for i, n in enumerate(value) if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1)
        ]
        for i in faulty:
            message = f"expected a length of at least 1, or null where it is not known, got {show(value[i])}"
            self.reporter.report(INVALID_VALUE, message, (*path, i))
        return not faulty

    def _outputs(self, value: Any, path: Path, names: Names) -> Any:
        """Sources for `outputs`: a name, a list of names, or a mapping of output names to names."""
        if value in ([], {}):
            self.reporter.report(
                NO_OUTPUT, "outputs is empty", path, help="leave it out to return what the last layer does"
            )
        if isinstance(value, dict):
            return {str(key): names.find(name, (*path, key)) or UNKNOWN for key, name in value.items()}
        if isinstance(value, list):
            return [names.find(name, (*path, i)) or UNKNOWN for i, name in enumerate(value)]
        return names.find(value, path) or UNKNOWN

    def _check_keys(self, raw: dict[Any, Any], keys: tuple[str, ...], path: Path, what: str) -> None:
        for key in raw:
            if key not in keys:
                message = f"{what} has no key {show(key)}"
                help = partial(did_you_mean, key, keys)
                self.reporter.report(UNKNOWN_ARGUMENT, message, (*path, key), help=help, on_key=True)

    def training(self, value: Any, spec: ModelSpec | None) -> TrainingSpec | None:
        """The `training` section."""
        if value is None:
            return None
        path = ("training",)
        if not isinstance(value, dict):
            self.reporter.report(BAD_TRAINING, f"training: expected a mapping, got {show(value)}", path)
            return None
        from spec_compiler.specs.training import FitSpec, TrainingSpec

        fit = self._validated(FitSpec, value.get("fit") or {}, (*path, "fit"))
        training = self._validated(TrainingSpec, {**value, "fit": fit or FitSpec.model_validate({})}, path)
        if training is not None and spec is not None:
            self._check_output_names(training, _output_names(spec), path)
        return training

    def _validated(self, cls: type[S], value: Any, path: Path) -> S | None:
        if not isinstance(value, dict):
            self.reporter.report(BAD_TRAINING, f"{path[-1]}: expected a mapping, got {show(value)}", path)
            return None
        try:
            spec = cls.model_validate(value)
        except ValidationError as error:
            report_faults(error, cls, path, self.reporter)
            return None
        spec._path = path
        return spec

    def _check_output_names(self, training: TrainingSpec, outputs: list[str], path: Path) -> None:
        for key in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            by_output = getattr(training, key)
            for name in by_output if isinstance(by_output, dict) else ():
                if name not in outputs:
                    message = f"{key}: the model has no output {show(name)}"
                    help = partial(any_of, name, outputs, "its outputs are")
                    self.reporter.report(UNKNOWN_OUTPUT, message, (*path, key, name), help=help, on_key=True)


def _output_names(spec: ModelSpec) -> list[str]:
    """What losses and metrics call the outputs: their own names, or those of the layers they come from."""
    if not isinstance(spec, FunctionalSpec):
        return [str(layer.name) for layer in spec.members()[-1:]]
    return list(spec.outputs) if isinstance(spec.outputs, dict) else [ref.layer for ref in refs_in(spec.outputs)]
