"""One step of training or evaluation, everything that does not depend on the batch settled beforehand.

A step neither waits for the device nor reads a number back from it: losses and metrics add up in tensors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from spec_compiler.ir import Value, values_in
from spec_compiler.lowering.constraints import project
from spec_compiler.lowering.lower import assign, build
from spec_compiler.lowering.regularizers import penalty
from spec_compiler.lowering.to_fx import lower_graph, penalized
from spec_compiler.runtime.built import Built, Weight, existing_submodule
from spec_compiler.runtime.data import Batch
from spec_compiler.runtime.forward_faults import FORWARD_FAULTS, explained, untold
from spec_compiler.runtime.losses import CompiledLoss
from spec_compiler.runtime.metrics import CompiledMetrics
from spec_compiler.runtime.optimizers import Optimizer, make_optimizer

Forward = Callable[[list[Tensor]], tuple[list[Tensor], list[Tensor | None] | None, list[Tensor]]]


class Step:
    """A compiled model's training step and evaluation step."""

    def __init__(self, built: Built, loss: CompiledLoss | None, metrics: CompiledMetrics, compiled: bool) -> None:
        self.built = built
        self.loss = loss
        self.metrics = metrics
        self.module: nn.Module = built.module
        self.device = device_of(built.module)
        self.flatten = flattener(built.lowered.graph.outputs)
        self.forward = self._forward(compiled)
        self._total: Tensor | None = None
        self._parts: list[Tensor] = []
        self._seen = 0

    def _forward(self, compiled: bool) -> Forward:
        graph = self.built.lowered.graph
        flatten = self.flatten
        if any(value.mask is not None for value in values_in(graph.outputs)) or penalized(graph):
            self.module = untold(build(lower_graph(graph, for_training=True), existing_submodule))
            run = torch.compile(self.module) if compiled else self.module

            def with_more(inputs: list[Tensor]) -> Any:
                outputs, masks, penalties = run(*inputs)
                return flatten(outputs), masks, penalties

            return with_more
        plain = torch.compile(self.module) if compiled else self.module
        return lambda inputs: (flatten(plain(*inputs)), None, [])

    def prepare(self, optimizer: Any, train: bool) -> None:
        """Settle which weights train, from the layers' `trainable`; `optimizer` is the spec, or the one in use."""
        trained = mark_trainable(self.built)
        self.regularized = [(weight, r) for weight in trained if (r := weight.variable.regularizer) is not None]
        self.constrained = [(weight, c) for weight in trained if (c := weight.variable.constraint) is not None]
        if train:
            self._make_optimizer(optimizer, trained)

    def _make_optimizer(self, optimizer: Any, trained: list[Weight]) -> None:
        parameters = [p for weight in trained for p in weight.parameters]
        names = [weight.variable.name.rpartition("/")[2] for weight in trained for _ in weight.parameters]
        self.trains = bool(parameters)
        if not parameters:
            warnings.warn("the model has no weights that train", RuntimeWarning, stacklevel=5)
            # Until something trains, one for no numbers holds the learning rate, which may be asked for, and set.
            parameters, names = [torch.zeros(0)], [""]
        held = optimizer.param_groups[0]["params"] if isinstance(optimizer, Optimizer) else []
        same = [id(p) for p in held] == [id(p) for p in parameters]
        spec = optimizer.spec if isinstance(optimizer, Optimizer) else optimizer
        self.optimizer = optimizer if same and held else make_optimizer(spec, parameters, names)
        self.optimizer.follow()
        if isinstance(optimizer, Optimizer) and self.optimizer is not optimizer and not optimizer.scheduled:
            self.optimizer.learning_rate = optimizer.learning_rate

    def train(self, batch: Batch) -> None:
        """Forward, backward, one step of the optimizer; losses and metrics are added up."""
        if not self.trains:
            self.test(batch)
            return
        self.optimizer.zero_grad()
        total = self._evaluate(batch)
        self.optimizer.scale_loss(total).backward()
        self.optimizer.step()
        if self.constrained:
            self._constrain()

    def finish(self) -> None:
        """What the optimizer does once training ends."""
        self.optimizer.finalize()

    @torch.no_grad()
    def test(self, batch: Batch) -> None:
        """Forward; losses and metrics are added up."""
        self._evaluate(batch)

    def _evaluate(self, batch: Batch) -> Tensor:
        try:
            outputs, masks, penalties = self.forward(batch.inputs)
        except FORWARD_FAULTS as error:
            raise explained(error, self.built.lowered.graph, batch.inputs) from error
        if self.loss is not None:
            total, parts = self.loss(batch.targets, outputs, batch.weights, masks)
        else:
            total, parts = torch.zeros((), device=outputs[0].device), []
        for weight, regularizer in self.regularized:
            total = total + penalty(regularizer, weight.to_keras())
        for extra in penalties:
            total = total + extra
        with torch.no_grad():
            self._add(total, parts, batch.size)
            self.metrics.update(batch.targets, outputs, batch.weights, masks)
        return total

    def _add(self, total: Tensor, parts: Any, size: int) -> None:
        if self._total is None:
            self._total = total.detach() * size
            self._parts = [part.detach() * size for part in parts]
        else:
            self._total.add_(total.detach(), alpha=size)
            for held, part in zip(self._parts, parts, strict=True):
                held.add_(part.detach(), alpha=size)
        self._seen += size

    @torch.no_grad()
    def _constrain(self) -> None:
        for weight, constraint in self.constrained:
            if all(parameter.grad is None for parameter in weight.parameters):
                continue  # not in use, and so left alone by Keras's optimizers altogether
            assign(weight.parameters, weight.rules, project(constraint, weight.to_keras()))

    def reset(self) -> None:
        """Start losses and metrics anew."""
        self._total = None
        self._parts = []
        self._seen = 0
        self.metrics.reset()

    def result(self) -> dict[str, float]:
        """Losses and metrics so far, as numbers: here the host waits for the device."""
        names = self.loss.names if self.loss is not None else ()
        sums = {} if self._total is None else {"loss": self._total}
        sums |= dict(zip(names, self._parts, strict=False))
        return {name: float(value) / max(self._seen, 1) for name, value in sums.items()} | self.metrics.result()


def device_of(module: nn.Module) -> torch.device | None:
    """Where the module's tensors are; None where it has none."""
    tensor = next(chain(module.parameters(), module.buffers()), None)
    return None if tensor is None else tensor.device


def mark_trainable(built: Built) -> list[Weight]:
    """Set `requires_grad` by the layers' `trainable`, a model's counting for all within; the weights that train."""
    trained = built.trained()
    held = {id(weight) for weight in trained}
    for weight in built.weights:
        for parameter in weight.parameters:
            if isinstance(parameter, nn.Parameter):
                parameter.requires_grad_(id(weight) in held)
    for module, trains in built.learning():
        if hasattr(module, "frozen"):
            module.frozen = not trains  # type: ignore[assignment]
    return trained


def flattener(structure: Any) -> Callable[[Any], list[Tensor]]:
    """A function from what the module returns to the list of its tensors, in order."""
    if isinstance(structure, Value):
        return lambda outputs: [outputs]
    if isinstance(structure, (list, tuple)) and all(isinstance(item, Value) for item in structure):
        return list
    return lambda outputs: list(_leaves(outputs))


def _leaves(structure: Any) -> Iterator[Tensor]:
    if isinstance(structure, Tensor):
        yield structure
    else:
        for item in structure.values() if isinstance(structure, dict) else structure:
            yield from _leaves(item)


def unflatten(structure: Any, leaves: Iterator[Any]) -> Any:
    """`leaves` in the structure of the graph's outputs."""
    if isinstance(structure, Value):
        return next(leaves)
    if isinstance(structure, dict):
        return {key: unflatten(item, leaves) for key, item in structure.items()}
    return type(structure)(unflatten(item, leaves) for item in structure)
