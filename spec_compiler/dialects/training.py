"""What a Keras file says of training: `compile_config` since Keras 3, `training_config` before, loose keys at first.

A model can be used without it, so what cannot be resolved is a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from spec_compiler.diagnostics import BAD_TRAINING, Path, Reporter
from spec_compiler.dialects.detect import Detected

if TYPE_CHECKING:
    from spec_compiler.specs.training import TrainingSpec

_PARTS = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
_OLD_OPTIMIZER_ARGUMENTS = {"lr": "learning_rate"}
# tf.keras registered the optimizers that it got in 2.11 this way, in SavedModels.
_NEW_OPTIMIZERS = "Custom>"
_SILENT_OPTIMIZER_ARGUMENTS = ("jit_compile", "is_legacy_optimizer", "is_mixed_precision", "schedule_decay")


def read_training(found: Detected, reporter: Reporter) -> TrainingSpec | None:
    """How the document says the model is trained; None where it does not say."""
    stated, path = _section(found)
    if not isinstance(stated, dict) or not any(stated.get(key) is not None for key in _PARTS):
        return None
    from spec_compiler.specs.training import TrainingSpec

    parts: dict[str, Any] = {}
    for key in _PARTS:
        value = stated.get(key)
        if value is not None:
            value = _today(key, value)
            if _is_sound(key, value, path, reporter):
                parts[key] = value
    training = TrainingSpec.model_validate(parts)
    training._path = path
    return training


def _section(found: Detected) -> tuple[Any, Path]:
    if "compile_config" in found.data:
        return found.data["compile_config"], (*found.path, "compile_config")
    # `around` holds one mapping for each step of the path, and the model itself.
    for depth, mapping in enumerate(found.around):
        if isinstance(mapping.get("training_config"), dict):
            config = mapping["training_config"]
            optimizer = config.get("optimizer_config", config.get("optimizer"))
            return {**config, "optimizer": optimizer}, (*found.path[:depth], "training_config")
    if found.dialect in ("keras0", "keras1"):
        return found.data, found.path
    return None, ()


def _is_sound(key: str, value: Any, path: Path, reporter: Reporter) -> bool:
    from spec_compiler.specs.training import TrainingSpec

    try:
        TrainingSpec.model_validate({key: value})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        reporter.warn(BAD_TRAINING, f"the {key} is left out: {fault['msg']}", (*path, key))
        return False
    return True


def _today(key: str, value: Any) -> Any:
    """A part of the training in Keras 3's words."""
    if key == "optimizer" and isinstance(value, dict):
        return _optimizer(value)
    # tf.keras keeps a list of metrics for each output, one output's too.
    for_one_output = isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], (list, tuple))
    return _object(value[0] if key.endswith("metrics") and for_one_output else value)


def _optimizer(value: dict[str, Any]) -> dict[str, Any]:
    if "class_name" not in value and isinstance(value.get("name"), str):
        # Keras 0 and 1: the class stands beside its arguments.
        value = {"class_name": value["name"], "config": {k: v for k, v in value.items() if k != "name"}}
    if isinstance(value.get("class_name"), str):
        value = {**value, "class_name": value["class_name"].removeprefix(_NEW_OPTIMIZERS)}
    config = value.get("config")
    if not isinstance(config, dict):
        return value
    config = {_OLD_OPTIMIZER_ARGUMENTS.get(k, k): v for k, v in config.items() if k not in _SILENT_OPTIMIZER_ARGUMENTS}
    if config.get("decay") == 0:
        del config["decay"]
    return {**value, "config": config}


def _object(value: Any) -> Any:
    """Losses and metrics: lists and mappings of them, names, and objects."""
    if isinstance(value, (list, tuple)):
        return [_object(one) for one in value]
    if not isinstance(value, dict):
        return value
    config = value.get("config")
    if not isinstance(value.get("class_name"), str) or not isinstance(config, dict):
        return {key: _object(one) for key, one in value.items()}
    if isinstance(config.get("fn"), str):
        # tf.keras wraps a function: {"class_name": "MeanMetricWrapper", "config": {"fn": "binary_accuracy"}}.
        return config["fn"]
    if config.get("reduction") == "auto":
        config = {**config, "reduction": "sum_over_batch_size"}
    return {**value, "config": {key: one for key, one in config.items() if key != "fn"}}
