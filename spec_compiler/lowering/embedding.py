"""Lowerings of `specs.layers.embedding`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers, lowers_mask
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import embedding as nn_embedding
from spec_compiler.specs.layers.embedding import Embedding, ReversibleEmbedding


def ids(call: Call, x: Proxy) -> Proxy:
    """The input as ids: Keras cuts floats, as which ids often come, to integers."""
    return x if call.node.inputs[0].dtype in ("int32", "int64") else x.long()


@lowers(Embedding)
def embedding(layer: Embedding, call: Call, x: Proxy) -> Proxy:
    expr = ModuleExpr(nn.Embedding, layer.input_dim, layer.output_dim)
    # What is looked up is cast, not the table.
    found = call.module(expr, [Rule("embeddings", "weight")], computes_in=layer.variable_dtype)(ids(call, x))
    return found if layer.variable_dtype == call.compute_dtype else call.cast(found)


@lowers(ReversibleEmbedding)
def reversible_embedding(layer: ReversibleEmbedding, call: Call, x: Proxy, reverse: bool = False) -> Any:
    stated = {
        "tied": layer.tie_weights and None,
        "logit_soft_cap": layer.logit_soft_cap,
        "reverse_dtype": layer.reverse_dtype and getattr(torch, layer.reverse_dtype),
    }
    expr = ModuleExpr(nn_embedding.ReversibleEmbedding, layer.input_dim, layer.output_dim, **call.given(**stated))
    rules = [Rule("embeddings", "weight"), Rule("reverse_embeddings", "reverse_weight", axes=(1, 0))]
    table = call.module(expr, rules)
    return table(x, reverse=True) if reverse else table(ids(call, x))


@lowers_mask(Embedding)
def embedding_mask(layer: Embedding, call: Call, x: Proxy) -> Proxy:
    return torch.ne(x, 0)
