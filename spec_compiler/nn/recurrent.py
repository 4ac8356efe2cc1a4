"""Recurrent layers on torch's fused kernels where those have the arithmetic, else as a loop over time.

Each takes (batch, steps, features) and the states to start from, and returns every step's output and the final states.

Three things no fused kernel has, so that they loop whatever the activations: dropout of the state between steps (in
training alone), a GRU that resets before the matrix product (`U (r * h)` where the kernels have `r * (U h)`; on a GPU
a kernel is brought to compute it, see `resetting_before`), and convolutions (ConvLSTM). A loop computes the input's
part of all steps before it starts. It takes the steps apart with one `unbind`: `x[:, t]` would have each step's
gradient be as long as all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Callable[[Tensor], Tensor]


class OneLayer(nn.RNNBase):
    """torch's recurrent module of one layer and one direction, by the names it has for the weights."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    @property
    def flat(self) -> list[Tensor]:
        """The weights as the fused kernels take them."""
        return [*self.all_weights[0]]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        """As in torch, but that the bias which is no parameter is zero after `to_empty`, too."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if "bias_hh_l0" in self._buffers:
            self.bias_hh_l0.zero_()
        return self

    def start(self, x_btf: Tensor, states: Sequence[Tensor] | None, count: int = 1) -> list[Tensor]:
        """The states that a batch starts from, `count` of them: those given, or zeros.

        Raises ValueError where the batch has other features, or the states are not one a sample: the kernels do not
        look, and would read beyond them.
        """
        if x_btf.shape[-1] != self.input_size:
            raise ValueError(f"expected steps of {self.input_size} features, got {tuple(x_btf.shape)}")
        if not states:
            return [x_btf.new_zeros(x_btf.shape[0], self.hidden_size)] * count
        for state in states:
            require_states(state, (x_btf.shape[0], self.hidden_size))
        return list(states)


class LSTM(OneLayer):
    """Long short-term memory with one bias: the second that torch adds stays zero and is no parameter.

    Steps `past` the end keep the cell state: each has a further feature that opens the forget gate and shuts the input
    gate. The outputs of those steps mean nothing.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__("LSTM", input_size, hidden_size, bias=bias, batch_first=True)
        single_bias(self)

    def forward(
        self, x_btf: Tensor, states: Sequence[Tensor] | None = None, past_bt: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        h, c = self.start(x_btf, states, 2)
        weights = self.flat
        if torch.compiler.is_compiling() and torch.is_grad_enabled() and not (x_btf.is_cuda or x_btf.requires_grad):
            # torch compiles an LSTM of an input without gradient to a kernel of the CPU that has no backward pass.
            x_btf = torch.where(x_btf.new_zeros((), dtype=torch.bool), weights[0][0, 0], x_btf)
        if past_bt is not None:
            shut, open_ = (weights[0].new_full((self.hidden_size, 1), gate) for gate in (-1e4, 1e4))
            hold = torch.cat([shut, open_, weights[0].new_zeros(2 * self.hidden_size, 1)])
            weights[0] = torch.cat([weights[0], hold], dim=1)
            x_btf = torch.cat([x_btf, past_bt.unsqueeze(-1).to(x_btf.dtype)], dim=-1)
        # Without gaps in memory, which cuDNN refuses.
        start = (h.unsqueeze(0).contiguous(), c.unsqueeze(0).contiguous())
        y, h, c = torch.lstm(x_btf, start, together(weights), self.bias, 1, 0.0, torch.is_grad_enabled(), False, True)
        return y, h[0], c[0]


class GRU(OneLayer):
    """Gated recurrent unit, the reset gate applied after the matrix product."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__("GRU", input_size, hidden_size, bias=bias, batch_first=True)

    def forward(self, x_btf: Tensor, states: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        (h,) = self.start(x_btf, states)
        start, train = h.unsqueeze(0).contiguous(), torch.is_grad_enabled()
        y, h = torch.gru(x_btf, start, together(self.flat), self.bias, 1, 0.0, train, False, True)
        return y, h[0]


class SimpleRNN(OneLayer):
    """`h = tanh(x W + h U + b)`, or relu, with one bias: the second that torch adds stays zero and is no parameter."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh") -> None:
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, bias=bias, batch_first=True)
        self.nonlinearity = nonlinearity
        single_bias(self)

    def forward(self, x_btf: Tensor, states: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        (h,) = self.start(x_btf, states)
        run, train = (torch.rnn_tanh if self.nonlinearity == "tanh" else torch.rnn_relu), torch.is_grad_enabled()
        y, h = run(x_btf, h.unsqueeze(0).contiguous(), together(self.flat), self.bias, 1, 0.0, train, False, True)
        return y, h[0]


def require_states(state: Tensor, shape: Sequence[int]) -> None:
    """Raise ValueError where the states to start from are of another shape than the batch needs."""
    if tuple(state.shape) != tuple(shape):
        raise ValueError(f"the states to start from are of shape {tuple(state.shape)}, the batch needs {tuple(shape)}")


def single_bias(rnn: OneLayer) -> None:
    """Make the second of torch's two biases a constant zero."""
    if rnn.bias:
        zeros = torch.zeros_like(rnn.bias_hh_l0)
        del rnn.bias_hh_l0
        rnn.register_buffer("bias_hh_l0", zeros, persistent=False)
        rnn._init_flat_weights()


def together(weights: Sequence[Tensor]) -> list[Tensor]:
    """`weights` next to each other in memory, as a GPU's kernels take them; parameters are already.

    The kernels would bring them together themselves, and warn. There is room for biases even where there are none.
    """
    if not weights[0].is_cuda or isinstance(weights[0], nn.Parameter):
        return list(weights)
    room = [weights[0].new_zeros(2 * len(weights[0]))] if len(weights) == 2 else []
    lengths = [weight.numel() for weight in (*weights, *room)]
    parts = torch.cat([weight.flatten() for weight in (*weights, *room)]).split_with_sizes(lengths)
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=False)]


def resetting_before(
    x_btf: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """A GRU that resets before the matrix product, by the kernel of one that resets after it, in two steps for one.

    The kernel's state is `[h, u]`. Its first step keeps `h`, the update gate held open, and has `u = tanh(e * r *
    h)`, that gate held shut, where `e` is so small that this is `e * r * h` in the numbers' precision. Its second has
    the reset gate held open, and `u / e` where a GRU has `h` in what is new. A GPU takes a fifth to a tenth of the
    time of a loop for it.
    """
    n, steps, held = h.shape[-1], x_btf.shape[1], 1e4
    e = 2.0 ** (math.log2(torch.finfo(x_btf.dtype).eps) // 2)
    first = (torch.arange(2 * steps, device=x_btf.device) % 2 == 0).to(x_btf.dtype).view(1, -1, 1)
    twice = torch.cat([x_btf.repeat_interleave(2, dim=1), first.expand(len(x_btf), -1, 1)], dim=-1)
    of_x = [F.pad(block, (0, 1)) for block in weight_ih.chunk(3)]
    of_x[1] = torch.cat([weight_ih[n : 2 * n], weight_ih.new_full((n, 1), held)], dim=1)
    none = torch.zeros_like(of_x[0])
    of_h, new = weight_hh.split_with_sizes([2 * n, n])
    no_state = weight_hh.new_zeros(n, 2 * n)
    unit = torch.eye(n, dtype=h.dtype, device=h.device)
    r, z, b = weight_ih.new_zeros(3 * n).chunk(3) if bias is None else bias.chunk(3)
    # The rows of each gate are for h, then for u.
    weights = [
        torch.cat([none, of_x[0], of_x[1], none, of_x[2], none]),
        torch.cat([no_state, F.pad(of_h, (0, n)), no_state, F.pad(new / e, (n, 0)), F.pad(unit * e, (0, n))]),
        torch.cat([r.new_full((n,), held), r, z, z.new_full((n,), -held), b, torch.zeros_like(b)]),
        b.new_zeros(6 * n),
    ]
    start = F.pad(h, (0, n)).unsqueeze(0)
    y, h = torch.gru(twice, start, together(weights), True, 1, 0.0, torch.is_grad_enabled(), False, True)
    return y[:, 1::2, :n], h[0, :, :n]


def kept(x: Tensor, rate: float, gates: int) -> Tensor | None:
    """What a dropout of `rate` multiplies each element of `x` by, (gates, *x.shape); nothing where the rate is 0."""
    return F.dropout(x.new_ones(gates, *x.shape), rate) if rate else None


def of_input(x_btf: Tensor, weight: Tensor, bias: Tensor | None, rate: float, gates: int) -> Tensor:
    """The input's part of all gates and steps, (batch, steps, gates * units); each gate drops features of its own."""
    keep = kept(x_btf[:, :1], rate, gates)
    if keep is None:
        return F.linear(x_btf, weight, bias)
    blocks = zip(keep.unbind(), weight.chunk(gates), strict=True)
    y = torch.cat([F.linear(x_btf * factors, block) for factors, block in blocks], dim=-1)
    return y if bias is None else y + bias


def steps_of(x_btg: Tensor, keep: Tensor | None) -> tuple[Tensor, ...]:
    """The input's part of each step as `with_state` takes it: (batch, gates * units), or (gates, batch, units)."""
    return x_btg.unbind(1) if keep is None else torch.unflatten(x_btg, -1, (len(keep), -1)).permute(1, 2, 0, 3).unbind()


def turned(weight: Tensor, keep: Tensor | None) -> Tensor:
    """The state's weights as `with_state` takes them: (units, gates * units), or (gates, units, units)."""
    return weight.t() if keep is None else torch.unflatten(weight, 0, (len(keep), -1)).mT


def with_state(x: Tensor, h: Tensor, weight: Tensor, keep: Tensor | None) -> tuple[Tensor, ...]:
    """The gates of one step, `x + h @ weight`; where there is `keep`, each over `h` times its own factors."""
    if keep is None:
        gates, count = torch.addmm(x, h, weight), weight.shape[1] // weight.shape[0]
        return (gates,) if count == 1 else gates.chunk(count, dim=-1)
    return torch.baddbmm(x, h * keep, weight).unbind()


class LSTMLoop(LSTM):
    """LSTM as a loop over time, for activations and dropout that the fused kernel lacks.

    Each gate drops features of its own, the same at every step.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        activation: Activation = torch.tanh,
        recurrent_activation: Activation = torch.sigmoid,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.fused = activation is torch.tanh and recurrent_activation is torch.sigmoid
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout

    def forward(
        self, x_btf: Tensor, states: Sequence[Tensor] | None = None, past_bt: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if self.fused and not self.training:
            return super().forward(x_btf, states, past_bt)
        h, c = self.start(x_btf, states, 2)
        rates = (self.input_dropout, self.recurrent_dropout) if self.training else (0.0, 0.0)
        x_btg = of_input(x_btf, self.weight_ih_l0, self.bias_ih_l0 if self.bias else None, rates[0], 4)
        keep = kept(h, rates[1], 4)
        weight, outputs = turned(self.weight_hh_l0, keep), []
        for t, x in enumerate(steps_of(x_btg, keep)):
            i, f, g, o = with_state(x, h, weight, keep)
            i, f, o = (self.recurrent_activation(gate) for gate in (i, f, o))
            new = torch.addcmul(f * c, i, self.activation(g))
            c = new if past_bt is None else torch.where(past_bt[:, t, None], c, new)
            h = o * self.activation(c)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h, c


class GRULoop(GRU):
    """GRU as a loop over time, for activations, dropout and an order of operations that the fused kernel lacks.

    Each gate drops features of its own, the same at every step.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        reset_after: bool = True,
        activation: Activation = torch.tanh,
        recurrent_activation: Activation = torch.sigmoid,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        if not reset_after:
            single_bias(self)
        self.usual = activation is torch.tanh and recurrent_activation is torch.sigmoid
        self.reset_after = reset_after
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout

    def forward(self, x_btf: Tensor, states: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        rates = (self.input_dropout, self.recurrent_dropout) if self.training else (0.0, 0.0)
        usual = self.usual and not any(rates)
        if usual and self.reset_after:
            return super().forward(x_btf, states)
        (h,) = self.start(x_btf, states)
        bias = self.bias_ih_l0 if self.bias else None
        if usual and x_btf.is_cuda:
            return resetting_before(x_btf, h, self.weight_ih_l0, self.weight_hh_l0, bias)
        x_btg = of_input(x_btf, self.weight_ih_l0, bias, rates[0], 3)
        h = h.to(x_btg.dtype)  # which autocast chooses, and `lerp` takes no two dtypes
        keep = kept(h, rates[1], 3)
        keep_rz, keep_n = (None, None) if keep is None else (keep[:2], keep[2:])
        both = 2 * self.hidden_size
        weight_rz, weight_n = turned(self.weight_hh_l0[:both], keep_rz), turned(self.weight_hh_l0[both:], keep_n)
        x_rz, x_n, bias_n = x_btg[..., :both], x_btg[..., both:], x_btg.new_zeros(())
        if self.reset_after and self.bias:
            x_rz, bias_n = x_rz + self.bias_hh_l0[:both], self.bias_hh_l0[both:]
        outputs = []
        for rz, n in zip(steps_of(x_rz, keep_rz), steps_of(x_n, None if self.reset_after else keep_n), strict=True):
            r, z = (self.recurrent_activation(gate) for gate in with_state(rz, h, weight_rz, keep_rz))
            if self.reset_after:
                new = torch.addcmul(n, r, *with_state(bias_n, h, weight_n, keep_n))
            else:
                (new,) = with_state(n, r * h, weight_n, keep_n)
            h = torch.lerp(self.activation(new), h, z)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h


class SimpleRNNLoop(SimpleRNN):
    """`h = activation(x W + h U + b)` as a loop over time, for activations and dropout that the fused kernel lacks."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        activation: Activation = torch.tanh,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.fused = activation is torch.tanh
        self.activation = activation
        self.recurrent_dropout = recurrent_dropout

    def forward(self, x_btf: Tensor, states: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        if self.fused and not self.training:
            return super().forward(x_btf, states)
        (h,) = self.start(x_btf, states)
        x_btu = F.linear(x_btf, self.weight_ih_l0, self.bias_ih_l0 if self.bias else None)
        keep = kept(h, self.recurrent_dropout if self.training else 0.0, 1)
        weight, outputs = turned(self.weight_hh_l0, keep), []
        for x in steps_of(x_btu, keep):
            h = self.activation(*with_state(x, h, weight, keep))
            outputs.append(h)
        return torch.stack(outputs, dim=1), h


class ConvLSTM(nn.Module):
    """Long short-term memory over images: (batch, steps, channels, *lengths), the states (batch, filters, *lengths).

    `input` and `recurrent` are convolutions to four times the filters. A masked step keeps the states, and its output
    is the one before it, zeros at first. In dropout, each gate drops elements of its own, the same at every step.
    """

    def __init__(
        self,
        input: nn.Conv1d | nn.Conv2d | nn.Conv3d,
        recurrent: nn.Conv1d | nn.Conv2d | nn.Conv3d,
        activation: Activation = torch.tanh,
        recurrent_activation: Activation = torch.sigmoid,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input = input
        self.recurrent = recurrent
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout

    def forward(
        self, x_btc: Tensor, states: Sequence[Tensor] | None = None, mask_bt: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        rates = (self.dropout, self.recurrent_dropout) if self.training else (0.0, 0.0)
        x_btg = gates_of(self.input, x_btc, kept(x_btc[:, :1], rates[0], 4))
        zeros = torch.zeros_like(x_btg[:, 0].chunk(4, dim=1)[0])
        h, c = states or [zeros, zeros]
        for state in (h, c):
            require_states(state, zeros.shape)
        y, outputs, keep = zeros, [], kept(h.unsqueeze(1), rates[1], 4)
        for t, x_bg in enumerate(x_btg.unbind(1)):
            h_bg = gates_of(self.recurrent, h.unsqueeze(1), keep).squeeze(1)
            i, f, g, o = (x_bg + h_bg).chunk(4, dim=1)
            i, f, o = (self.recurrent_activation(gate) for gate in (i, f, o))
            new_c = torch.addcmul(f * c, i, self.activation(g))
            new_h = o * self.activation(new_c)
            if mask_bt is None:
                y, h, c = new_h, new_h, new_c
            else:
                here = mask_bt[:, t].view(-1, *[1] * (h.dim() - 1))
                y, h, c = (torch.where(here, new, old) for new, old in ((new_h, y), (new_h, h), (new_c, c)))
            outputs.append(y)
        return torch.stack(outputs, dim=1), h, c


def gates_of(conv: nn.Conv1d | nn.Conv2d | nn.Conv3d, x_btc: Tensor, keep: Tensor | None) -> Tensor:
    """`conv` of every step at once; where there is `keep`, each gate's filters over `x` times its own factors."""
    if keep is None:
        y: Tensor = conv(x_btc.flatten(0, 1))
    else:
        blocks = zip(keep.unbind(), conv.weight.chunk(len(keep)), strict=True)
        y = torch.cat([conv._conv_forward((x_btc * k).flatten(0, 1), block, None) for k, block in blocks], dim=1)
        if conv.bias is not None:
            y = y + conv.bias.view(-1, *[1] * (y.dim() - 2))
    return torch.unflatten(y, 0, x_btc.shape[:2])
