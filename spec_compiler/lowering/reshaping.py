"""Lowerings of `specs.layers.reshaping`."""

from __future__ import annotations

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.specs.layers.reshaping import Permute, RepeatVector, Reshape
from spec_compiler.specs.shapes import product


@lowers(Reshape)
def reshape(layer: Reshape, call: Call, x: Proxy) -> Proxy:
    shape = call.output_shapes[0][1:]
    lengths = [n for n in shape if n is not None]
    if product(call.shapes[0][1:]) is not None and len(lengths) == len(shape):
        return x.reshape(-1, *lengths)
    # The samples' size is not known beforehand, so the batch's length must be said: -1 would take from other samples.
    return x.reshape(x.size(0), *(-1 if n is None else n for n in shape))


@lowers(Permute)
def permute(layer: Permute, call: Call, x: Proxy) -> Proxy:
    return x.permute(0, *layer.dims)


@lowers(RepeatVector)
def repeat_vector(layer: RepeatVector, call: Call, x: Proxy) -> Proxy:
    return x.unsqueeze(1).expand(-1, layer.n, -1)
