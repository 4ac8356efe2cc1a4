"""Optimizers at work: `torch.optim.Optimizer`s with Keras 3's arithmetic, on torch's fused and foreach kernels.

What Keras does before and after each update (accumulating and clipping gradients, decoupled weight decay, moving
averages of the weights) is here; the updates themselves are in `optimizer_updates.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spec_compiler.runtime import optimizer_updates as updates
from spec_compiler.runtime.optimizer_updates import Bucket, Update
from spec_compiler.specs import optimizers as specs
from spec_compiler.specs.schedules import LearningRateSchedule

UPDATES: dict[type[specs.Optimizer], type[Update]] = {
    specs.SGD: updates.SGD,
    specs.Adam: updates.Adam,
    specs.AdamW: updates.Adam,
    specs.Adamax: updates.Adamax,
    specs.Nadam: updates.Nadam,
    specs.RMSprop: updates.RMSprop,
    specs.Adagrad: updates.Adagrad,
    specs.Adadelta: updates.Adadelta,
    specs.Lion: updates.Lion,
    specs.Ftrl: updates.Ftrl,
}


def make_optimizer(
    spec: specs.Optimizer, parameters: Sequence[Tensor], names: Sequence[str] | None = None
) -> Optimizer:
    """The optimizer that `spec` states, over `parameters`.

    `names` are the Keras names of the variables (`kernel`, `bias`), one a parameter; they matter only to
    `exclude_from_weight_decay(var_names=...)`. Raises ValueError when there is nothing to optimize.
    """
    return Optimizer(spec, parameters, names)


class Optimizer(torch.optim.Optimizer):
    """`step()` changes the parameters by their gradients as the Keras optimizer `spec` would.

    `parameters` are what it changes. The learning rate is a number on the host, `param_groups[0]["lr"]`, so torch's
    schedulers work too; a Keras schedule is evaluated before each step. No step waits for the device.
    """

    def __init__(self, spec: specs.Optimizer, parameters: Sequence[Tensor], names: Sequence[str] | None = None) -> None:
        self.spec = spec
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("there is nothing to optimize: no layer has weights that training may change")
        self._update = UPDATES[type(spec)](spec, self.parameters[0].dtype)
        rate = spec.learning_rate  # where in their order is each class's own affair
        self._schedule = rate if isinstance(rate, LearningRateSchedule) else None
        rate = self._schedule(0) if self._schedule else rate
        super().__init__(self.parameters, {"lr": float(rate), "calls": 0, **self._update.scalars})
        self._group = self.param_groups[0]
        self._undecayed = self._find_undecayed(names)
        self._slots = dict(self._update.slots)
        if spec.use_ema:
            self._slots["average"] = 0.0
        if spec.gradient_accumulation_steps:
            self._slots["accumulated"] = 0.0
        self._scaled = False
        for p in self.parameters:
            slots = {name: torch.full_like(p, start, requires_grad=False) for name, start in self._slots.items()}
            self.state[p] = slots
        self._bind()

    # What Keras's optimizers show

    @property
    def name(self) -> str:
        """The optimizer's name."""
        return self.spec.get_config()["name"]  # type: ignore[no-any-return]

    @property
    def scheduled(self) -> bool:
        """Whether a schedule gives the learning rate."""
        return self._schedule is not None

    @property
    def iterations(self) -> int:
        """How often the weights have been updated."""
        return int(self._group["calls"]) // (self.spec.gradient_accumulation_steps or 1)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step. Setting it raises TypeError if a schedule gives it."""
        return self._schedule(self._group["calls"]) if self._schedule else float(self._group["lr"])

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        if self._schedule:
            raise TypeError(f"the learning rate is given by a schedule, {self._schedule!r}, and cannot be set")
        self._group["lr"] = float(rate)

    def get_config(self) -> dict[str, Any]:
        """The spec's arguments as Keras 3 writes them, with the learning rate as it now is."""
        config = self.spec.get_config()
        return config if self._schedule else {**config, "learning_rate": self.learning_rate}

    # A step

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        if not set_to_none:
            super().zero_grad(set_to_none=False)
            return
        for p in self.parameters:
            p.grad = None

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss times `loss_scale_factor`: what is to be differentiated."""
        if self.spec.loss_scale_factor is None:
            return loss
        self._scaled = True
        return loss * self.spec.loss_scale_factor  # type: ignore[no-any-return]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by their gradients; those without one stay. Returns what `closure` does, if given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            buckets = [b for bucket in self._buckets if (b := bucket.with_gradients()) is not None]
            if buckets:
                self._apply(buckets)
        self._group["calls"] += 1
        return loss

    def _apply(self, buckets: list[Bucket]) -> None:
        spec = self.spec
        if spec.loss_scale_factor is not None:
            self._unscale(buckets, spec.loss_scale_factor)
        if spec.gradient_accumulation_steps is None or self._accumulate(buckets, spec.gradient_accumulation_steps):
            self._clip(buckets)
            if self._schedule:
                self._group["lr"] = self._schedule(self._group["calls"])
            rate = np.float32(self._group["lr"])  # a float32 variable in Keras
            if spec.weight_decay is not None:
                kept = float(np.float32(1) - np.float32(spec.weight_decay) * rate)
                for bucket in buckets:
                    if bucket.decayed:
                        torch._foreach_mul_(bucket.decayed, kept)
            self._update.begin(self._group, self.iterations + 1, rate)
            for bucket in buckets:
                self._update(bucket)
        if spec.use_ema:
            self._average()

    def _unscale(self, buckets: list[Bucket], factor: float) -> None:
        if not self._scaled:
            raise RuntimeError("loss_scale_factor is set, but the loss was not scaled: differentiate scale_loss(loss)")
        self._scaled = False
        for bucket in buckets:
            torch._foreach_div_(bucket.gradients, factor)

    def _accumulate(self, buckets: list[Bucket], steps: int) -> bool:
        """Add the gradients to those before; every `steps` steps, put their mean in their place and return True."""
        complete: bool = (self._group["calls"] + 1) % steps == 0
        for bucket in buckets:
            sums = bucket.slots["accumulated"]
            if complete:
                torch._foreach_add_(bucket.gradients, sums)
                torch._foreach_div_(bucket.gradients, steps)
                torch._foreach_zero_(sums)
            else:
                torch._foreach_add_(sums, bucket.gradients)
        return complete

    def _clip(self, buckets: list[Bucket]) -> None:
        spec = self.spec
        if spec.clipnorm is not None:
            _clip_each_norm(buckets, spec.clipnorm)
        elif spec.global_clipnorm is not None:
            _clip_global_norm(buckets, spec.global_clipnorm)
        elif spec.clipvalue is not None:
            for bucket in buckets:
                torch._foreach_clamp_min_(bucket.gradients, -spec.clipvalue)
                torch._foreach_clamp_max_(bucket.gradients, spec.clipvalue)

    # Moving averages of the weights

    def _average(self) -> None:
        done, frequency = self.iterations, self.spec.ema_overwrite_frequency
        new = 1.0 - self.spec.ema_momentum if done else 1.0
        for bucket in self._buckets:
            torch._foreach_lerp_(bucket.slots["average"], bucket.parameters, new)
        if frequency and (done + 1) % frequency == 0:
            self.finalize()

    def finalize(self) -> None:
        """With `use_ema`, put the averages in the weights' place: what `fit` does at its end."""
        if self.spec.use_ema and self._group["calls"]:
            with torch.no_grad():
                for bucket in self._buckets:
                    torch._foreach_copy_(bucket.parameters, bucket.slots["average"])

    # State

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """One group only: Keras's optimizers treat all variables alike. Raises RuntimeError for a second."""
        if self.param_groups:
            raise RuntimeError("this optimizer has one group of parameters; make a new one over all of them")
        super().add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state that `state_dict()` gave, of an optimizer of the same kind over the same parameters."""
        super().load_state_dict(state_dict)
        self._group = self.param_groups[0]
        for p in self.parameters:
            missing = self._slots.keys() - self.state[p].keys()
            if missing:
                raise ValueError(f"the state is of another optimizer: {', '.join(sorted(missing))} not in it")
        self._bind()

    def follow(self) -> None:
        """Bring the state to the devices where the parameters now are."""
        if [p.device for p in self.parameters] != self._devices:
            self.load_state_dict(self.state_dict())

    def _bind(self) -> None:
        """Sort parameters and their state by device and dtype, as the kernels take them."""
        self._devices = [p.device for p in self.parameters]
        groups: defaultdict[Any, list[Tensor]] = defaultdict(list)
        for p in self.parameters:
            groups[p.device, p.dtype].append(p)
        decay = self.spec.weight_decay is not None
        self._buckets = [
            Bucket(
                parameters=members,
                slots={name: [self.state[p][name] for p in members] for name in self._slots},
                decays=[decay and id(p) not in self._undecayed for p in members],
            )
            for members in groups.values()
        ]

    def _find_undecayed(self, names: Sequence[str] | None) -> set[int]:
        excluded, patterns = self.spec._undecayed
        found = {id(p) for p in excluded}
        if patterns:
            if names is None:
                raise ValueError("exclude_from_weight_decay(var_names=...) needs the names of the variables")
            named = re.compile("|".join(patterns))
            found |= {id(p) for p, name in zip(self.parameters, names, strict=True) if named.search(name)}
        return found


def _clip_each_norm(buckets: list[Bucket], limit: float) -> None:
    for bucket in buckets:
        scales = [limit / norm.clamp(min=limit) for norm in torch._foreach_norm(bucket.gradients)]
        for gradient, scale in zip(bucket.gradients, scales, strict=True):
            gradient.mul_(scale)


def _clip_global_norm(buckets: list[Bucket], limit: float) -> None:
    norms = [norm for bucket in buckets for norm in torch._foreach_norm(bucket.gradients)]
    device = norms[0].device
    norm = torch.stack([n.to(device, torch.float32) for n in norms]).norm()
    # As in Keras, one infinite or NaN gradient makes all of them NaN.
    scale = limit * torch.clamp(1.0 / norm, max=1.0 / limit) + (norm - norm)
    for bucket in buckets:
        torch._foreach_mul_(bucket.gradients, scale.to(bucket.gradients[0].device, bucket.gradients[0].dtype))
