"""Lowerings of `specs.layers.wrappers`."""

from __future__ import annotations

from torch.fx import Proxy

from spec_compiler.lowering import recurrent
from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import under
from spec_compiler.nn import recurrent as nn_recurrent
from spec_compiler.specs.layers.wrappers import Bidirectional


@lowers(Bidirectional)
def bidirectional(
    layer: Bidirectional, call: Call, x: Proxy, initial_state: list[Proxy] | None = None
) -> Proxy | tuple[Proxy, ...]:
    n = call.shapes[0][-1]
    forward, backward = (recurrent.expression(inner, n) for inner in layer.directions)
    mode = {} if layer.merge_mode == "concat" else {"merge_mode": layer.merge_mode}
    rules = [*under("forward_layer", recurrent.RECURRENT), *under("backward_layer", recurrent.RECURRENT)]
    run = call.module(ModuleExpr(nn_recurrent.Bidirectional, forward, backward, **mode), rules)
    return call.outputs(run(x, **call.given(mask_bt=call.mask, initial_state=initial_state)))
