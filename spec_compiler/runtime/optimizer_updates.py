"""One update of each optimizer, for all parameters of one device and dtype at once.

Scalars are computed as Keras does, in float32: `1 - 0.999` is 0.00099999 there, and Adam's first steps show it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from spec_compiler.specs import optimizers as specs

Tensors = list[Tensor] | tuple[Tensor, ...]


@dataclass(slots=True)
class Bucket:
    """Parameters of one device and dtype, with their state and, during a step, their gradients."""

    parameters: list[Tensor]
    slots: dict[str, list[Tensor]]
    decays: list[bool]
    gradients: list[Tensor] = field(default_factory=list)
    decayed: list[Tensor] = field(init=False)
    """Those that weight decay shrinks."""
    counter: Tensor = field(init=False)
    """The number of the step, where the fused kernels want it."""

    def __post_init__(self) -> None:
        self.decayed = [p for p, decays in zip(self.parameters, self.decays, strict=True) if decays]
        self.counter = torch.zeros((), dtype=torch.float32, device=self.parameters[0].device)

    def with_gradients(self) -> Bucket | None:
        """The bucket of those parameters that have a gradient; None if none has."""
        gradients = [p.grad for p in self.parameters]
        here = [i for i, g in enumerate(gradients) if g is not None]
        if len(here) == len(gradients):
            self.gradients = gradients  # type: ignore[assignment]
            return self
        if not here:
            return None
        return Bucket(
            [self.parameters[i] for i in here],
            {name: [slot[i] for i in here] for name, slot in self.slots.items()},
            [self.decays[i] for i in here],
            [gradients[i] for i in here],  # type: ignore[misc]
        )


class Update:
    """`begin` prepares a step's scalars, and the call applies it to a bucket.

    `dtype` is that of the first parameter; it says in which precision Keras computes the scalars.
    """

    slots: dict[str, float]
    """State of each parameter, and what it starts at."""
    scalars: ClassVar[dict[str, float]] = {}
    """State of the optimizer as a whole, likewise; it is kept in the parameter group."""

    def __init__(self, spec: Any, dtype: torch.dtype) -> None:
        self.spec = spec
        self.real: type[np.floating[Any]] = np.float64 if dtype is torch.float64 else np.float32
        self.slots = {}
        self._bases = torch.zeros(0)

    def begin(self, group: dict[str, Any], step: int, rate: np.float32) -> None:
        """Take the number of the step, from 1, and its learning rate."""
        self.step, self.rate = step, float(rate)

    def _set_bases(self, *bases: float) -> None:
        dtype = torch.float64 if self.real is np.float64 else torch.float32
        self._bases = torch.tensor(bases, dtype=dtype, device="cpu")
        self._exponent = torch.zeros_like(self._bases)

    def _powers(self, exponent: int) -> list[Any]:
        # By torch's own power: numpy's may differ by the last bit, which 1 - 0.9999^t makes one in a thousand.
        return [self.real(power) for power in torch.pow(self._bases, self._exponent.fill_(exponent)).tolist()]

    def __call__(self, bucket: Bucket) -> None:
        """Change the parameters."""
        raise NotImplementedError


class SGD(Update):
    """`v = momentum · v + rate · g; w -= v`: Keras's velocity with its sign turned, as torch's kernel has it."""

    def __init__(self, spec: specs.SGD, dtype: torch.dtype) -> None:
        super().__init__(spec, dtype)
        self.momentum, self.nesterov = spec.momentum, spec.nesterov
        self.slots = {"momentum_buffer": 0.0} if spec.momentum else {}

    def __call__(self, bucket: Bucket) -> None:
        w, g, rate, momentum = bucket.parameters, bucket.gradients, self.rate, self.momentum
        if not momentum:
            _fused_sgd(w, g, [], 0.0, rate, 0.0)
        elif not self.nesterov:
            # torch keeps the rate out of its velocity, Keras within: a dampening of 1 - rate is a factor of rate.
            _fused_sgd(w, g, bucket.slots["momentum_buffer"], momentum, 1.0, 1.0 - rate)
        else:
            v = bucket.slots["momentum_buffer"]
            torch._foreach_mul_(v, momentum)
            torch._foreach_add_(v, g, alpha=rate)
            torch._foreach_add_(w, g, alpha=-rate)
            torch._foreach_add_(w, v, alpha=-momentum)


def _fused_sgd(w: Any, g: Any, v: Any, momentum: float, rate: float, dampening: float) -> None:
    torch._fused_sgd_(
        w,
        g,
        v,
        weight_decay=0.0,
        momentum=momentum,
        lr=rate,
        dampening=dampening,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )


class Adam(Update):
    """`w -= rate · √(1 - beta_2^t) / (1 - beta_1^t) · m / (√v + epsilon)`, by torch's fused kernel."""

    def __init__(self, spec: specs.Adam, dtype: torch.dtype) -> None:
        super().__init__(spec, dtype)
        self.beta_1, self.beta_2 = spec.beta_1, spec.beta_2
        self._set_bases(spec.beta_1, spec.beta_2)
        self.slots = {"exp_avg": 0.0, "exp_avg_sq": 0.0, **({"max_exp_avg_sq": 0.0} if spec.amsgrad else {})}

    def begin(self, group: dict[str, Any], step: int, rate: np.float32) -> None:
        super().begin(group, step, rate)
        power_1, power_2 = self._powers(step)
        wanted = self.real(rate) * np.sqrt(1 - power_2) / (1 - power_1)
        # The kernel divides v by its correction before the root and epsilon is added after: dividing epsilon too makes
        # that Keras's order, and the rate takes back the corrections that the kernel applies.
        root = (1.0 - self.beta_2**step) ** 0.5
        self.kernel_rate = float(wanted) * (1.0 - self.beta_1**step) / root
        self.kernel_epsilon = self.spec.epsilon / root

    def __call__(self, bucket: Bucket) -> None:
        slots = bucket.slots
        bucket.counter.fill_(self.step)
        torch._fused_adam_(
            bucket.parameters,
            bucket.gradients,
            slots["exp_avg"],
            slots["exp_avg_sq"],
            slots["max_exp_avg_sq"] if self.spec.amsgrad else [],
            [bucket.counter] * len(bucket.parameters),
            lr=self.kernel_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            weight_decay=0.0,
            eps=self.kernel_epsilon,
            amsgrad=self.spec.amsgrad,
            maximize=False,
        )


class Adamax(Update):
    """`w -= rate / (1 - beta_1^t) · m / (u + epsilon)`, u the decayed maximum of `|g|`."""

    def __init__(self, spec: specs.Adamax, dtype: torch.dtype) -> None:
        super().__init__(spec, dtype)
        self.slots = {"exp_avg": 0.0, "exp_inf": 0.0}
        self._set_bases(spec.beta_1)

    def __call__(self, bucket: Bucket) -> None:
        spec, m, u = self.spec, bucket.slots["exp_avg"], bucket.slots["exp_inf"]
        _decay_to(m, bucket.gradients, spec.beta_1)
        torch._foreach_mul_(u, spec.beta_2)
        torch._foreach_maximum_(u, torch._foreach_abs(bucket.gradients))
        rate = self.rate / float(1 - self._powers(self.step)[0])
        torch._foreach_addcdiv_(bucket.parameters, m, torch._foreach_add(u, spec.epsilon), -rate)


class Nadam(Update):
    """Adam whose mean looks one step ahead; the weight of the mean follows `beta_1 · (1 - 0.96^t / 2)`."""

    scalars: ClassVar[dict[str, float]] = {"momentum_product": 1.0}

    def __init__(self, spec: specs.Nadam, dtype: torch.dtype) -> None:
        super().__init__(spec, dtype)
        self.slots = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        self._set_bases(0.96, spec.beta_2)

    def begin(self, group: dict[str, Any], step: int, rate: np.float32) -> None:
        super().begin(group, step, rate)
        beta_1, half = self.real(self.spec.beta_1), self.real(0.5)
        decay, power_2 = self._powers(step)
        now, ahead = beta_1 * (1 - half * decay), beta_1 * (1 - half * self._powers(step + 1)[0])
        product = self.real(group["momentum_product"]) * now
        group["momentum_product"] = float(product)
        self.of_mean = float(ahead / (1 - product * ahead))
        self.of_gradient = float((1 - now) / (1 - product))
        self.correction = float(1 - power_2)

    def __call__(self, bucket: Bucket) -> None:
        m, v, g = bucket.slots["exp_avg"], bucket.slots["exp_avg_sq"], bucket.gradients
        _decay_to(m, g, self.spec.beta_1)
        _decay_to_square(v, g, self.spec.beta_2)
        mean = torch._foreach_mul(m, self.of_mean)
        torch._foreach_add_(mean, g, alpha=self.of_gradient)
        root = torch._foreach_div(v, self.correction)
        torch._foreach_sqrt_(root)
        torch._foreach_add_(root, self.spec.epsilon)
        torch._foreach_addcdiv_(bucket.parameters, mean, root, -self.rate)


class RMSprop(Update):
    """`w -= rate · g / √(mean of g² + epsilon)`, less the squared mean of g if centered."""

    def __init__(self, spec: specs.RMSprop, dtype: torch.dtype) -> None:
        super().__init__(spec, dtype)
        self.slots = {"square_avg": 0.0}
        if spec.centered:
            self.slots["grad_avg"] = 0.0
        if spec.momentum:
            self.slots["momentum_buffer"] = 0.0

    def __call__(self, bucket: Bucket) -> None:
        spec, g, slots = self.spec, bucket.gradients, bucket.slots
        _decay_to_square(slots["square_avg"], g, spec.rho)
        root = torch._foreach_add(slots["square_avg"], spec.epsilon)
        if spec.centered:
            _decay_to(slots["grad_avg"], g, spec.rho)
            torch._foreach_addcmul_(root, slots["grad_avg"], slots["grad_avg"], -1.0)
        torch._foreach_sqrt_(root)
        if not spec.momentum:
            torch._foreach_addcdiv_(bucket.parameters, g, root, -self.rate)
            return
        v = slots["momentum_buffer"]
        torch._foreach_mul_(v, spec.momentum)
        torch._foreach_addcdiv_(v, g, root, self.rate)
        torch._foreach_add_(bucket.parameters, v, alpha=-1)


class Adagrad(Update):
    """`w -= rate · g / √(sum of g² + epsilon)`."""

    def __init__(self, spec: specs.Adagrad, dtype: torch.dtype) -> None:
        super().__init__(spec, dtype)
        self.slots = {"sum": spec.initial_accumulator_value}

    def __call__(self, bucket: Bucket) -> None:
        sums, g = bucket.slots["sum"], bucket.gradients
        torch._foreach_addcmul_(sums, g, g)
        root = torch._foreach_add(sums, self.spec.epsilon)
        torch._foreach_sqrt_(root)
        torch._foreach_addcdiv_(bucket.parameters, g, root, -self.rate)


class Adadelta(Update):
    """`w -= rate · g · √(mean of steps² + epsilon) / √(mean of g² + epsilon)`."""

    def __init__(self, spec: specs.Adadelta, dtype: torch.dtype) -> None:
        super().__init__(spec, dtype)
        self.slots = {"square_avg": 0.0, "acc_delta": 0.0}

    def __call__(self, bucket: Bucket) -> None:
        rho, epsilon = self.spec.rho, self.spec.epsilon
        squares, steps, g = bucket.slots["square_avg"], bucket.slots["acc_delta"], bucket.gradients
        _decay_to_square(squares, g, rho)
        delta = torch._foreach_add(steps, epsilon)
        torch._foreach_sqrt_(delta)
        torch._foreach_mul_(delta, g)
        root = torch._foreach_add(squares, epsilon)
        torch._foreach_sqrt_(root)
        torch._foreach_div_(delta, root)
        _decay_to_square(steps, delta, rho)
        torch._foreach_add_(bucket.parameters, delta, alpha=-self.rate)


class Lion(Update):
    """`w -= rate · sign(beta_1 · m + (1 - beta_1) · g)`."""

    def __init__(self, spec: specs.Lion, dtype: torch.dtype) -> None:
        super().__init__(spec, dtype)
        self.slots = {"exp_avg": 0.0}

    def __call__(self, bucket: Bucket) -> None:
        m, g = bucket.slots["exp_avg"], bucket.gradients
        direction = torch._foreach_mul(m, self.spec.beta_1)
        torch._foreach_add_(direction, g, alpha=1 - self.spec.beta_1)
        torch._foreach_sign_(direction)
        torch._foreach_add_(bucket.parameters, direction, alpha=-self.rate)
        _decay_to(m, g, self.spec.beta_2)


class Ftrl(Update):
    """The weights that minimize all linearized losses so far, plus penalties."""

    def __init__(self, spec: specs.Ftrl, dtype: torch.dtype) -> None:
        super().__init__(spec, dtype)
        self.slots = {"accumulator": spec.initial_accumulator_value, "linear": 0.0}

    def __call__(self, bucket: Bucket) -> None:
        spec, rate = self.spec, self.rate
        l1, l2 = spec.l1_regularization_strength, spec.l2_regularization_strength + spec.beta / (2.0 * rate)
        shrinkage = 2 * spec.l2_shrinkage_regularization_strength
        slots = zip(bucket.slots["accumulator"], bucket.slots["linear"], strict=True)
        for w, g, (accumulator, linear) in zip(bucket.parameters, bucket.gradients, slots, strict=True):
            before = accumulator.pow(-spec.learning_rate_power)
            after = accumulator.addcmul_(g, g).pow(-spec.learning_rate_power)
            linear.add_(g + shrinkage * w - (after - before) / rate * w)
            w.copy_((linear.clamp(-l1, l1) - linear) / (after / rate + 2 * l2))


def _decay_to(mean: list[Tensor], values: Tensors, decay: float) -> None:
    """`mean = decay · mean + (1 - decay) · values`"""
    torch._foreach_mul_(mean, decay)
    torch._foreach_add_(mean, values, alpha=1 - decay)


def _decay_to_square(mean: list[Tensor], values: Tensors, decay: float) -> None:
    """`mean = decay · mean + (1 - decay) · values²`"""
    torch._foreach_mul_(mean, decay)
    torch._foreach_addcmul_(mean, values, values, 1 - decay)
