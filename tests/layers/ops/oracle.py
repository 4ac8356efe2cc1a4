"""Operations held to Keras: the cases of `cases/*.yaml` (see `calls.py`), built by `keras.ops` and by ours."""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import torch

from spec_compiler import ops
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.keras3_writer import as_it_is
from spec_compiler.dialects.read import read_data
from spec_compiler.ir import Graph, values_in
from spec_compiler.passes import check
from spec_compiler.specs.authoring import clear_names
from spec_compiler.specs.functional import Input, trace
from spec_compiler.specs.layers.ops import OpSpec
from spec_compiler.specs.serialization import serialize
from tests.layers.ops.calls import Case, all_cases, arrays_of, called, flat, tensors_of, types_of

__all__ = ["Case", "all_cases", "arrays_of", "called", "flat", "tensors_of", "types_of"]


@dataclass
class Pair:
    """A case in Keras, and read by us from what Keras wrote."""

    case: Case
    arrays: list[np.ndarray[Any, Any]]
    operands: list[Any]
    model: keras.Model
    document: dict[str, Any]
    graph: Graph
    written: dict[str, Any]


def make_pair(case: Case) -> Pair:
    """The case's model in Keras, and its graph in ours."""
    keras.utils.clear_session(free_memory=False)  # A garbage collection a case is most of the time.
    arrays = arrays_of(case)
    inputs = [keras.Input(batch_shape=s, dtype=d, name=f"x{i}") for i, (s, d) in enumerate(types_of(case, arrays))]
    operands = [keras.layers.MaxPooling2D()(x) if i in case.pooled else x for i, x in enumerate(inputs)]
    outputs = called(keras_function(case.op), case, operands)
    model = keras.Model(inputs, [y for y in flat(outputs) if y is not None], name="case")
    document = json.loads(model.to_json())
    reporter = Reporter()
    spec = read_data(document, reporter)
    assert spec is not None, [d.render() for d in reporter.diagnostics]
    graph = check(spec, reporter)
    assert graph is not None, [d.render() for d in reporter.diagnostics]
    return Pair(case, arrays, operands, model, document, graph, as_it_is(spec))


def keras_function(name: str) -> Any:
    """The function of `keras.ops` of that name."""
    return getattr(keras.ops, name, None) or getattr(keras.ops.image, name)


def in_numpy(case: Case, arrays: list[np.ndarray[Any, Any]]) -> list[torch.Tensor]:
    """What numpy makes of the case."""
    function = operator.getitem if case.op == "get_item" else getattr(np, case.op)
    kwargs = {key: tuple(value) if isinstance(value, list) else value for key, value in case.kwargs.items()}
    outputs = called(function, replace(case, kwargs=kwargs), arrays)
    return [torch.from_numpy(np.array(y)) for y in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def written_in_python(case: Case, pair: Pair) -> list[dict[str, Any]]:
    """Our operations, as we serialize them, of the same call of `spec_compiler.ops`."""
    clear_names()
    inputs = [Input(batch_shape=tuple(t.shape), dtype=str(t.dtype), name=f"x{i}") for i, t in enumerate(pair.operands)]
    outputs = called(getattr(ops, case.op), case, inputs)
    spec = trace(inputs, flat(outputs), "case")
    return [serialize(placed.layer) for placed in spec.placed if isinstance(placed.layer, OpSpec)]


def operations_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations in a document of Keras 3."""
    others = ("InputLayer", "MaxPooling2D")
    return [item for item in document["config"]["layers"] if item["class_name"] not in others]


def outputs_of(graph: Graph) -> list[tuple[Any, str]]:
    """Shape and dtype of each output of a graph."""
    return [(value.shape, value.dtype) for value in values_in(graph.outputs)]
