"""Batch normalization beyond what Keras 3 can be asked: several axes, and what it is to torch's own."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from spec_compiler import Input
from spec_compiler.diagnostics import Reporter
from spec_compiler.lowering.lower import assign, build, parameters_of, read, weights
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.models import Model
from spec_compiler.nn.normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d, GroupNorm, MaskedBatchNorm
from spec_compiler.passes import check
from spec_compiler.specs.layers.core import InputLayer, Masking
from spec_compiler.specs.layers.normalization import BatchNormalization
from spec_compiler.specs.model import SequentialSpec


@pytest.mark.parametrize("axes", [[1, 3], [3, 1], [-1, 2], [1, 2, 3]])
def test_several_axes_have_a_statistic_each_place(axes: list[int]) -> None:
    """tf_keras 2 takes a list of axes: weights of every axis' length, 1 for those that are averaged over."""
    shape = (6, 3, 4, 5)
    layers = [InputLayer(batch_shape=(None, *shape[1:])), BatchNormalization(axis=axes, momentum=0.8, name="norm")]
    graph = check(SequentialSpec(name="model", layers=layers), Reporter())
    assert graph is not None
    lowered = lower_graph(graph)
    module = build(lowered).train()
    kept = {axis % 4 for axis in axes}
    reduced = tuple(i for i in range(4) if i not in kept)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype("float32")
    values = {}
    with torch.no_grad():
        for layer, variable, rules in weights(lowered):
            assert variable.shape == tuple(n if i in kept else 1 for i, n in enumerate(shape))
            values[variable.name] = np.abs(rng.standard_normal(variable.shape)).astype("float32") + 0.5
            assign(parameters_of(module, layer, rules), rules, torch.from_numpy(values[variable.name]))
        y = module(torch.from_numpy(x)).numpy()
    mean, variance = x.mean(reduced, keepdims=True), x.var(reduced, keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-3) * values["gamma"] + values["beta"]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    after = {v.name: read(parameters_of(module, layer, rules), v, rules) for layer, v, rules in weights(lowered)}
    np.testing.assert_allclose(after["moving_mean"], 0.8 * values["moving_mean"] + 0.2 * mean, rtol=1e-5, atol=1e-6)
    wanted = 0.8 * values["moving_variance"] + 0.2 * variance
    np.testing.assert_allclose(after["moving_variance"], wanted, rtol=1e-5, atol=1e-6)


def test_in_inference_it_is_torchs_own() -> None:
    stock, own = nn.BatchNorm2d(5), BatchNorm2d(5)
    state = {key: value.float().uniform_(0.5, 2) if value.dim() else value for key, value in stock.state_dict().items()}
    stock.load_state_dict(state)
    own.load_state_dict(state)
    x = torch.randn(3, 5, 4, 2)
    assert torch.equal(stock.eval()(x), own.eval()(x))


def test_frozen_keeps_its_statistics_in_training() -> None:
    norm = BatchNorm1d(3, frozen=True).train()
    x = torch.randn(8, 3) + 5
    assert torch.equal(norm(x), norm.eval()(x))
    assert not norm.running_mean.any()


def test_a_call_may_say_that_it_does_not_train() -> None:
    norm = BatchNorm1d(3).train()
    x = torch.randn(8, 3) + 5
    assert torch.equal(norm(x, training=False), norm.eval()(x))
    assert not norm.running_mean.any()
    norm(x, training=True)
    assert norm.running_mean.all()


def test_shared_twice_both_calls_move_the_statistics() -> None:
    """The first call's gradient does not depend on statistics that the second one moved."""
    norm = BatchNorm1d(3).train()
    x = torch.randn(8, 3, requires_grad=True)
    norm(norm(x)).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_one_layer_called_with_a_mask_and_without() -> None:
    first, second = Input((4, 3)), Input((4, 3))
    norm = BatchNormalization()
    outputs = [norm(Masking()(first)), norm(second)]
    module = Model([first, second], outputs).module.eval()
    x = torch.randn(2, 4, 3)
    masked, plain = module(x, x)
    assert torch.equal(masked, plain)


def test_statistics_of_averaged_weights_are_torchs() -> None:
    """`update_bn` of torch.optim.swa_utils has the mean of all batches taken, by a momentum of None."""
    batches = [torch.randn(4, 3, 5, 2) * i + i for i in range(1, 4)]
    stock, own = nn.BatchNorm2d(3), BatchNorm2d(3)
    for norm in (stock, own):
        torch.optim.swa_utils.update_bn(batches, norm)
    torch.testing.assert_close(own.running_mean, stock.running_mean)
    torch.testing.assert_close(own.running_var, stock.running_var * (39 / 40))  # of 40 values, not unbiased
    assert own.momentum == 0.1


def test_the_mean_of_all_batches_is_that_of_their_steps() -> None:
    own, apart = BatchNorm1d(3, momentum=None), BatchNorm1d(3, momentum=None)
    for batch in torch.randn(2, 4, 5, 3):
        own(batch.flatten(0, 1), steps=5)
        for step in batch.unbind(1):
            apart(step)
    torch.testing.assert_close(own.running_mean, apart.running_mean)
    torch.testing.assert_close(own.running_var, apart.running_var)


@pytest.mark.parametrize("make", [BatchNorm1d, MaskedBatchNorm, lambda n: BatchNorm1d(n, eps=0.0)])
@pytest.mark.parametrize("arguments", [{}, {"steps": 2}])
def test_a_batch_of_no_samples_leaves_everything_as_torchs_does(make, arguments) -> None:
    stock, own = nn.BatchNorm1d(3), make(3)
    if isinstance(own, MaskedBatchNorm):
        arguments = {**arguments, "mask": torch.ones(0, 1, dtype=torch.bool)}
    for norm, given in ((stock, {}), (own, arguments)):
        assert norm(torch.ones(0, 3, requires_grad=True), **given).shape == (0, 3)
        norm(torch.ones(0, 3, requires_grad=True), **given).sum().backward()
    for name, tensor in own.named_parameters():
        assert torch.equal(tensor.grad, stock.get_parameter(name).grad)
    assert torch.equal(own.running_mean, stock.running_mean)
    assert torch.equal(own.running_var, stock.running_var)


@pytest.mark.parametrize(
    "make", [lambda **kwargs: BatchNorm1d(4, **kwargs), lambda **kwargs: GroupNorm(2, 4, **kwargs)]
)
@pytest.mark.parametrize("missing", ["scale", "center"])
def test_it_starts_anew_without_a_weight_or_a_bias(make, missing: str) -> None:
    """As stock modules do, many of whose users call `reset_parameters` of every module that has it."""
    norm = make(**{missing: False})
    start = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    for tensor in norm.state_dict().values():
        tensor.add_(1)
    norm.reset_parameters()
    assert all(torch.equal(tensor, start[name]) for name, tensor in norm.state_dict().items())


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("lengths", [(7,), (7, 1), (1, 7), (1, 1), (7, 3), (7, 3, 1), (1, 7, 1), (7, 2, 3), (1,)])
def test_gradients_hang_on_no_order_in_memory(lengths: tuple[int, ...], frozen: bool) -> None:
    """torch 2.10 to 2.13 has others on the CPU, where strides of an axis of length 1 leave it open which order it is."""
    module = [BatchNorm1d, BatchNorm2d, BatchNorm3d][len(lengths) - 1](4, eps=1e-3, momentum=0.1, frozen=frozen)
    with torch.no_grad():
        for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
            tensor.uniform_(0.5, 2)
    x, g = torch.randn(2, 6, 4, *lengths).unbind()

    def results(module: nn.Module, x: torch.Tensor, g: torch.Tensor) -> list[torch.Tensor]:
        x = x.detach().requires_grad_()
        y = copy.deepcopy(module).train()(x)
        return [y, *torch.autograd.grad(y, x, g)]

    exact = results(copy.deepcopy(module).double(), x.double(), g.double())
    for a, b in itertools.product(orders(x), orders(g)):
        for found, expected in zip(results(module, a, b), exact, strict=True):
            torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def orders(x: torch.Tensor) -> list[torch.Tensor]:
    """`x` with its channels first in memory and last, the strides of axes of length 1 being the least and the largest."""
    last = x.movedim(1, -1).contiguous().movedim(-1, 1)
    return [
        one.as_strided(x.shape, [of_one if n == 1 else s for n, s in zip(one.shape, one.stride(), strict=True)])
        for one in (x.contiguous(), last)
        for of_one in (1, x.numel())
    ]
