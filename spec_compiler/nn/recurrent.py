"""Recurrent layers on torch's fused kernels, with Keras's masks, directions and states."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def compact(x_btf: Tensor, mask_bt: Tensor) -> tuple[Tensor, Tensor]:
    """The unmasked steps moved to the front, in order, and where each step's output is then found.

    A recurrent layer under a mask skips masked steps and repeats the output before them; run over the compacted steps,
    its output at step t is the one at place `count of unmasked steps up to t` - 1 (-1: none yet).
    """
    order_bt = torch.argsort(~mask_bt, dim=1, stable=True)
    compacted = x_btf.gather(1, order_bt.unsqueeze(-1).expand_as(x_btf))
    return compacted, mask_bt.cumsum(dim=1) - 1


def spread(y_btu: Tensor, place_bt: Tensor, start_bu: Tensor | None) -> Tensor:
    """Each step's output out of the compacted ones; before the first unmasked step, `start_bu` or zeros."""
    index = place_bt.clamp(min=0).unsqueeze(-1).expand(-1, -1, y_btu.shape[-1])
    found = y_btu.gather(1, index)
    started = (place_bt >= 0).unsqueeze(-1)
    return torch.where(started, found, 0.0 if start_bu is None else start_bu.unsqueeze(1))


class LSTM(nn.LSTM):
    """Keras's LSTM over (batch, steps, features): one bias, masks, either direction, states on request.

    torch adds two biases where Keras has one, so the second stays zero and is never trained.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        zero_output_for_mask: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, batch_first=True)
        if bias:
            nn.init.zeros_(self.bias_hh_l0)
            self.bias_hh_l0.requires_grad_(False)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.zero_output_for_mask = zero_output_for_mask

    def forward(self, x_btf, mask_bt=None, initial_state=None):  # type: ignore[no-untyped-def, override]
        if self.go_backwards:
            x_btf = x_btf.flip(1)
            mask_bt = None if mask_bt is None else mask_bt.flip(1)
        states = None if initial_state is None else tuple(s.unsqueeze(0) for s in initial_state)
        if mask_bt is None:
            y, (h, c) = super().forward(x_btf, states)
            h, c = h[0], c[0]
            y = y if self.return_sequences else h
        else:
            y, h, c = self.masked(x_btf, mask_bt, states)
        return (y, h, c) if self.return_state else y

    def masked(self, x_btf, mask_bt, states):  # type: ignore[no-untyped-def]
        """Output and final states where masked steps are skipped."""
        x_btf, place_bt = compact(x_btf, mask_bt)
        start = None if states is None else states[0][0]
        y, (h, c) = super().forward(x_btf, states)
        if self.return_state:
            # The kernel runs on over the masked steps moved to the end; packing stops each sample at its own last one.
            lengths = place_bt[:, -1] + 1
            packed = nn.utils.rnn.pack_padded_sequence(x_btf, lengths.clamp(min=1).cpu(), True, enforce_sorted=False)
            _, (h, c) = super().forward(packed, states)
            some = (lengths > 0).unsqueeze(-1)
            h, c = (torch.where(some, s[0], 0.0 if states is None else states[i][0]) for i, s in enumerate((h, c)))
        y = spread(y, place_bt, start)
        if not self.return_sequences:
            return y[:, -1], h, c
        return torch.where(mask_bt.unsqueeze(-1), y, 0.0) if self.zero_output_for_mask else y, h, c


class Bidirectional(nn.Module):
    """Two recurrent layers over the same steps, one from each end; the backward outputs are turned round again."""

    def __init__(self, forward_layer: nn.Module, backward_layer: nn.Module, merge_mode: str | None = "concat") -> None:
        super().__init__()
        self.forward_layer = forward_layer
        self.backward_layer = backward_layer
        self.merge_mode = merge_mode

    def forward(self, x_btf, mask_bt=None, initial_state=None):  # type: ignore[no-untyped-def]
        half = None if initial_state is None else len(initial_state) // 2
        there = self.forward_layer(x_btf, mask_bt, None if half is None else initial_state[:half])
        back = self.backward_layer(x_btf, mask_bt, None if half is None else initial_state[half:])
        states = []
        if self.forward_layer.return_state:
            (there, *states), (back, *more) = there, back
            states += more
        if self.forward_layer.return_sequences:
            back = back.flip(1)
        merged = self.merge(there, back)
        return (*merged, *states) if self.merge_mode is None or states else merged[0]

    def merge(self, there, back):  # type: ignore[no-untyped-def]
        """The outputs of the two directions as one, or as both when `merge_mode` is None."""
        if self.merge_mode == "concat":
            return (torch.cat([there, back], dim=-1),)
        if self.merge_mode == "sum":
            return (there + back,)
        if self.merge_mode == "mul":
            return (there * back,)
        if self.merge_mode == "ave":
            return ((there + back) / 2,)
        return (there, back)
