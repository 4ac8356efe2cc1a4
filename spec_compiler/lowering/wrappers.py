"""Lowerings of `specs.layers.wrappers`."""

from __future__ import annotations

from typing import Any

import torch

from spec_compiler.lowering.call import Call, named
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.recurrent import flat, steps_mask
from spec_compiler.lowering.table import lowers, lowers_mask, mask_lowering_of
from spec_compiler.specs.layers.wrappers import Bidirectional, TimeDistributed, halves


@lowers(Bidirectional)
def bidirectional(
    layer: Bidirectional, call: Call, x: Proxy, initial_state: Any = None, *states: Proxy
) -> Proxy | tuple[Proxy, ...]:
    mask = steps_mask(call)
    starts = halves(None if initial_state is None else flat([initial_state, *states]))
    names = ("forward_layer", "backward_layer")
    there, back = (
        call.inner(inner, name, x, call.shapes[0], mask=mask, **call.given(initial_state=start))
        for inner, name, start in zip(layer.directions, names, starts, strict=True)
    )
    kept: list[Proxy] = []
    if layer.layer.return_state:
        (there, *kept), (back, *more) = there, back
        for direction, final in (("forward", kept), ("backward", more)):
            for state, letter in zip(final, "hc", strict=False):
                named(state, f"{direction}_{letter}")
        kept += more
    there, back = named(there, "forward"), named(back, "backward")
    if any(inner.compute_dtype != call.compute_dtype for inner in layer.directions):
        there, back = call.cast(there), call.cast(back)
    if layer.layer.return_sequences:
        back = back.flip(0 if getattr(layer.layer, "time_major", False) else 1)
    outputs = (*merged(layer, there, back), *kept)
    return outputs if len(outputs) > 1 else outputs[0]


def merged(layer: Bidirectional, there: Proxy, back: Proxy) -> tuple[Proxy, ...]:
    """The outputs of the two directions as one, or as both."""
    if layer.merge_mode == "concat":
        return (torch.cat([there, back], dim=-1),)
    if layer.merge_mode == "sum":
        return (there + back,)
    if layer.merge_mode == "mul":
        return (there * back,)
    if layer.merge_mode == "ave":
        return ((there + back) / 2,)
    return there, back


@lowers(TimeDistributed)
def time_distributed(layer: TimeDistributed, call: Call, x: Proxy) -> Any:
    batch, steps, *rest = call.shapes[0]
    # A layer that tells the steps apart fits one step's batch.
    folded = None if batch is None or steps is None or layer.steps_apart else batch * steps
    rank = call.mask_ranks[0]
    # Asked for only where the layer reads it, for asking has it computed.
    mask = call.mask if rank and layer.mask_axes(call.shapes[0], 0, rank) is not None else None
    each = None if mask is None else mask.flatten(0, 1)
    known: Any = steps if steps is not None else x.shape[1]
    y = call.inlined(layer.layer, x.flatten(0, 1), (folded, *rest), known, each)
    return y.unflatten(0, (-1, known))


@lowers_mask(TimeDistributed)
def time_distributed_mask(layer: TimeDistributed, call: Call, x: Proxy) -> Any:
    inner: Any = layer.layer
    while isinstance(inner, TimeDistributed):
        inner = inner.layer
    if layer.makes_mask:
        # It is made of each place alone, so that all steps are asked at once.
        return mask_lowering_of(type(inner))(inner, call, x)
    mask = call.mask
    assert mask is not None  # or there would be no mask to compute
    return mask.flatten(len(call.node.outputs[0].mask_shape or ())).any(-1)
