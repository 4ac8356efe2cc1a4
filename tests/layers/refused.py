"""What our check says of a case that cannot be, and of one that can: it runs."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import ValidationError

from spec_compiler.diagnostics import Diagnostic, Reporter
from spec_compiler.ir import Graph, values_in
from spec_compiler.lowering.lower import build, initialize_weights
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.passes import check
from spec_compiler.specs import registry
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.faults import report_faults
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref
from tests.layers import keras_oracle
from tests.layers.cases import Case
from tests.layers.check import _flat


def check_refused(case: Case) -> None:
    """Assert that the case is refused by a diagnostic with its code and message; and by Keras, unless it says not."""
    _, found = checked(case)
    hits = [d for d in found if d.code.id == case.code and str(case.message) in d.render()]
    assert hits, f"expected {case.code} with {case.message!r}, got {[d.render() for d in found]}"
    if case.keras_accepts is None:
        try:
            model, _, arrays = keras_oracle.build(case)
            model(arrays)
        except Exception:
            return
        raise AssertionError("Keras takes this")


def checked(case: Case) -> tuple[Graph | None, list[Diagnostic]]:
    """The graph of the case's layer and its inputs, None where it cannot be, and what our check says of it."""
    reporter = Reporter()
    cls = class_of(case)
    try:
        layer = layer_of(case)
    except ValidationError as error:
        report_faults(error, cls, (), reporter)
        return None, list(reporter.diagnostics)
    placed, refs = [], []
    for i, shape in enumerate(case.shapes):
        whole = case.batch_shape or (None, *(None if a + 1 in case.unknown else n for a, n in enumerate(shape)))
        source = InputLayer(name=f"input_{i}", batch_shape=tuple(whole), dtype=case.input_dtype)
        placed.append(Placed(source, [CallSpec(())]))
        refs.append(Ref(f"input_{i}"))
    args = (refs,) if cls.takes_list else tuple(refs)
    placed.append(Placed(layer, [CallSpec(args, dict(case.call))]))
    graph = check(FunctionalSpec(name="model", placed=placed, inputs=refs, outputs=Ref("layer")), reporter)
    return graph, list(reporter.diagnostics)


def class_of(case: Case) -> type[LayerSpec]:
    """The class of the case's layer."""
    cls = registry.find("layer", case.class_name)
    assert cls is not None
    assert issubclass(cls, LayerSpec)
    return cls


def layer_of(case: Case) -> LayerSpec:
    """The case's layer, under the name `layer`; ValidationError where its arguments are wrong."""
    cls = class_of(case)
    return cls.model_validate({"name": "layer", **{k: _inner(cls, k, v) for k, v in case.arguments.items()}})


def check_runs(case: Case) -> None:
    """Assert that the case is refused by a diagnostic, or can be built and run, in shapes as they were inferred."""
    graph, _ = checked(case)
    if graph is None:
        return
    lowered = lower_graph(graph)
    module = build(lowered)
    initialize_weights(lowered, module)
    generator = keras_oracle.generator_of(case)
    arrays = [generator.integers(0, 1, (case.batch, *shape)) for shape in case.shapes]
    if "int" not in case.input_dtype:
        arrays = [generator.standard_normal((case.batch, *shape)) for shape in case.shapes]
    inputs = [torch.from_numpy(array).to(getattr(torch, case.input_dtype)) for array in arrays]
    with torch.no_grad():
        module.train()(*inputs)
        found = _flat(module.eval()(*inputs))
    for value, y in zip(values_in(graph.outputs), found, strict=False):
        assert value.shape is not None
        assert len(value.shape) == y.dim(), f"inferred {value.shape}, found {tuple(y.shape)}"
        assert all(n in (None, m) for n, m in zip(value.shape, y.shape, strict=True)), (
            f"{value.shape}, {tuple(y.shape)}"
        )


def _inner(cls: type[LayerSpec], name: str, value: Any) -> Any:
    """A layer inside the layer, `{ClassName: arguments}`, as a spec."""
    if name not in cls.layer_fields:
        return value
    if isinstance(value, list):
        return [_inner(cls, name, item) for item in value]
    if isinstance(value, dict) and len(value) == 1:
        ((class_name_, arguments),) = value.items()
        inner = registry.find("layer", class_name_)
        assert inner is not None
        assert issubclass(inner, LayerSpec)
        return inner.model_validate({k: _inner(inner, k, v) for k, v in (arguments or {}).items()})
    return value
