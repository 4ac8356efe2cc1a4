"""`compile`: what a model is trained on and measured by, settled before any data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from spec_compiler.diagnostics import BAD_TRAINING, MISSING_LOSS, Diagnostic, SpecError, show
from spec_compiler.ir import Graph, map_values
from spec_compiler.runtime.arguments import bad
from spec_compiler.runtime.losses import CompiledLoss
from spec_compiler.runtime.metrics import CompiledMetrics
from spec_compiler.runtime.step import Step, device_of
from spec_compiler.specs import public
from spec_compiler.specs.model import ModelSpec
from spec_compiler.specs.optimizers import Optimizer as OptimizerSpec

if TYPE_CHECKING:
    from spec_compiler.runtime.built import Built


class Compiled:
    """What a Model holds of `compile`."""

    spec: ModelSpec

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def graph(self) -> Graph:
        raise NotImplementedError

    @property
    def built(self) -> bool:
        raise NotImplementedError

    def _ensure_built(self) -> Built:
        raise NotImplementedError

    def _start_training(self) -> None:
        self._arguments: dict[str, Any] | None = None
        self._optimizer: Any = None
        self._step: Step | None = None
        self.stop_training = False

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """State how the model is trained. https://keras.io/api/models/model_training_apis/#compile-method

        Args:
            optimizer: A name, an object of `spec_compiler.optimizers`, or Keras's serialized dict.
            loss: A name, an object, a function of (y_true, y_pred), or a list or dict of them by output.
            loss_weights: The weight of each output's loss in the total, as a list or dict; None: 1.
            metrics: What is measured, a list; for several outputs a list of lists or a dict.
            weighted_metrics: Like `metrics`, but weighted by sample and class weights.
            run_eagerly: Taken for Keras's sake: the module always runs eagerly unless `jit_compile` is true.
            steps_per_execution: Taken for Keras's sake: it changes no number.
            jit_compile: True runs the module through `torch.compile`; "auto" and False do not.
            auto_scale_loss: Taken for Keras's sake: losses are scaled where the optimizer says so.

        Raises SpecError when an argument is not known, or does not fit the model's outputs.
        """
        if isinstance(optimizer, torch.optim.Optimizer):
            kind = type(optimizer).__name__
            help = "give a name or an object of spec_compiler.optimizers, or train model.module in a loop of your own"
            raise bad("optimizer", f"{kind} of torch's kind holds parameters, which a model here chooses itself", help)
        self._optimizer = public.get("optimizer", optimizer, "optimizer")
        stated = {"loss": loss, "loss_weights": loss_weights, "metrics": metrics, "weighted_metrics": weighted_metrics}
        self._arguments = {"optimizer": optimizer, **stated}
        self._jit = jit_compile is True
        self._step = None
        self._losses_and_metrics()

    def _losses_and_metrics(self) -> tuple[CompiledLoss | None, CompiledMetrics]:
        assert self._arguments is not None
        a = self._arguments
        names = map_values(lambda v: v.node.layer.name if v.node else v.name, self.graph.outputs)
        loss = None if a["loss"] is None else CompiledLoss(a["loss"], a["loss_weights"], names)
        return loss, CompiledMetrics(a["metrics"], a["weighted_metrics"], names)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with what `get_compile_config` gave. Raises SpecError for what has no end."""
        from spec_compiler.loading import leaves

        if not isinstance(config, Mapping):
            raise TypeError(f"compile_from_config() takes what get_compile_config() gives, got {show(config)}")
        for _ in leaves(config, "the mapping is too {} for a model's training"):
            pass
        self.compile(**config)

    def compile_from_spec(self) -> None:
        """Compile with the `training:` section of the model's file. Raises SpecError when it has none."""
        training = self.spec.training
        if training is None:
            help = "add a `training:` section, or call compile()"
            raise SpecError(Diagnostic(BAD_TRAINING, f"model '{self.name}' does not say how to train it", help=help))
        fields = ("loss", "loss_weights", "metrics", "weighted_metrics")
        self.compile(training.optimizer or "rmsprop", **{name: getattr(training, name) for name in fields})

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as plain data, Keras's serialized form; None before it was called."""
        from spec_compiler.specs.serialization import plain

        return None if self._arguments is None else {key: plain(value) for key, value in self._arguments.items()}

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._arguments is not None

    @property
    def optimizer(self) -> Any:
        """The optimizer at work; its spec while the model is not built, or has no loss. None before `compile`."""
        losses = self._arguments and self._arguments["loss"]
        if isinstance(self._optimizer, OptimizerSpec) and self.built and losses is not None:
            self._ready(train=True)
        return self._optimizer

    @property
    def metrics_names(self) -> list[str]:
        """What `evaluate` returns, in its order."""
        loss, metrics = self._losses_and_metrics()
        return ["loss", *(loss.names if loss else ()), *metrics.names]

    def _ready(self, train: bool) -> Step:
        """The step of this compilation, with the weights that train as the layers now say."""
        if self._arguments is None:
            raise SpecError(
                Diagnostic(BAD_TRAINING, f"model '{self.name}' is not compiled", help="call compile() first")
            )
        built = self._ensure_built()
        if self._step is None or self._step.built is not built or self._step.device != device_of(built.module):
            self._step = Step(built, *self._losses_and_metrics(), compiled=self._jit)
        if train and self._step.loss is None:
            help = "give compile() a loss, e.g. loss='mse'"
            raise SpecError(Diagnostic(MISSING_LOSS, f"model '{self.name}' has no loss to train on", help=help))
        self._step.prepare(self._optimizer, train)
        if train:
            self._optimizer = self._step.optimizer
        return self._step
