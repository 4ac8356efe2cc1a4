"""Lowerings of `specs.layers.attention`."""

from __future__ import annotations

from math import prod

from torch.fx import Proxy

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import attention as nn_attention
from spec_compiler.specs.layers.attention import MultiHeadAttention


def projection_rules(layer: MultiHeadAttention, call: Call) -> list[Rule]:
    """Keras's projection kernels, (features, heads, dim), as `nn.Linear` weights."""
    rules = []
    for variable in layer.variables(*call.shapes):
        name, _, leaf = variable.name.partition("/")
        if leaf == "bias":
            rules.append(Rule(variable.name, f"{name}.bias", shape=(prod(variable.shape),)))
        else:
            # The output projection contracts heads and dim, the first two axes; the others make them, the last two.
            split = 2 if name == "attention_output" else 1
            shape = (prod(variable.shape[:split]), prod(variable.shape[split:]))
            rules.append(Rule(variable.name, f"{name}.weight", shape=shape, axes=(1, 0)))
    return rules


@lowers(MultiHeadAttention)
def multi_head_attention(
    layer: MultiHeadAttention,
    call: Call,
    query: Proxy,
    value: Proxy,
    key: Proxy | None = None,
    attention_mask: Proxy | None = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Proxy | tuple[Proxy, ...]:
    rules = projection_rules(layer, call)
    dims = [shape[-1] for shape in call.shapes]
    stated = {
        "bias": (layer.use_bias, True),
        "dropout": (layer.dropout, 0.0),
    }
    kwargs = {key: value for key, (value, default) in stated.items() if value != default}
    expr = ModuleExpr(
        nn_attention.MultiHeadAttention,
        dims[0],
        dims[2] if key is not None else dims[1],
        dims[1],
        layer.num_heads,
        layer.key_dim,
        layer.value_dim or layer.key_dim,
        prod(layer.output_shape or (dims[0],)),
        **kwargs,
    )
    attend = call.module(expr, rules)
    flags = {"is_causal": True} if use_causal_mask else {}
    return call.outputs(attend(query, value, **call.given(key_bse=key, mask_bts=attention_mask), **flags))
