"""One check that holds a layer to Keras in everything: what is inferred, what is computed, what is written."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import torch

from spec_compiler.codegen import emit
from spec_compiler.diagnostics import UNSUPPORTED, Reporter, SpecError
from spec_compiler.dialects.write import DIALECTS, to_json
from spec_compiler.ir import Graph, Node, values_in
from spec_compiler.loading import parse_spec
from spec_compiler.lowering.lower import assign, build, parameters_of, read, weights
from spec_compiler.lowering.lowered import LoweredGraph
from spec_compiler.lowering.names import class_name
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.passes import check
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.attention import ProjectedAttention
from spec_compiler.specs.model import ModelSpec
from tests.layers import keras_oracle
from tests.layers.cases import Case

RTOL, ATOL = 1e-5, 1e-6


@dataclass
class Pair:
    """A case in Keras and in ours, with the same weights and inputs."""

    case: Case
    oracle: keras.Model
    layer: keras.Layer
    arrays: list[np.ndarray[Any, Any]]
    graph: Graph
    lowered: LoweredGraph
    module: torch.fx.GraphModule

    @property
    def spec(self) -> LayerSpec:
        return next(node.layer for node in self.graph.nodes if node.layer.name == self.layer.name)


def check_layer(case: Case) -> None:
    """Assert that our layer is Keras's: shapes, weights, outputs, gradients, masks, training, config, source."""
    pair = make_pair(case)
    _assert_shapes(pair)
    _assert_variables(pair)
    _assert_config(pair)
    _assert_signature(pair)
    _assert_documents(pair)
    values = _set_weights(pair)
    _assert_computation(pair, training=False)
    _assert_masks_and_penalties(pair)
    _assert_source(pair)
    if case.random:
        _assert_random_training(pair)
        return
    _assert_computation(pair, training=True)
    _assert_weights(pair, [keras.ops.convert_to_numpy(v) for v in pair.oracle.weights], "weights after training")
    pair.oracle.set_weights(values)


def make_pair(case: Case) -> Pair:
    """Build the case in Keras, read the model Keras writes, and lower it."""
    oracle, layer, arrays = keras_oracle.build(case)
    reporter = Reporter()
    graph = check(read_model(oracle), reporter)
    assert graph is not None, f"refused: {reporter.result()}"
    lowered = lower_graph(graph)
    return Pair(case, oracle, layer, arrays, graph, lowered, build(lowered))


def read_model(model: keras.Model) -> ModelSpec:
    """Our spec of a Keras model, read from what Keras writes."""
    document = json.loads(model.to_json())
    _drop_notes(document["config"])
    return parse_spec(json.dumps(document))


def _drop_notes(config: dict[str, Any]) -> None:
    """Take out what Keras notes of a call that was not stated: the operations that make masks, and `training`.

    Keras writes those operations as layers, and their results as arguments of the calls that the masks reached; our own
    graph makes the masks. It writes `training: false` of every call, and has the model's mode go before it.
    """
    steps = {item["name"] for item in config["layers"] if str(item.get("module")).startswith("keras.src.ops")}
    config["layers"] = [item for item in config["layers"] if item["name"] not in steps]
    for node in (node for item in config["layers"] for node in item["inbound_nodes"]):
        kwargs = node["kwargs"]
        kwargs.pop("training", None)
        for name in [name for name in kwargs if name.endswith("mask")]:
            if any(f'"keras_history": ["{step}"' in json.dumps(kwargs[name]) for step in steps):
                del kwargs[name]


def _assert_shapes(pair: Pair) -> None:
    ours = [value.shape for value in values_in(pair.graph.outputs)]
    theirs = [tuple(tensor.shape) for tensor in pair.oracle.outputs]
    assert ours == theirs, f"inferred shapes {ours}, Keras's {theirs}"
    dtypes = [value.dtype for value in values_in(pair.graph.outputs)], [t.dtype for t in pair.oracle.outputs]
    assert dtypes[0] == dtypes[1], f"inferred dtypes {dtypes[0]}, Keras's {dtypes[1]}"


def _assert_variables(pair: Pair) -> None:
    found = [(layer.layer, variable) for layer, variable, _ in weights(pair.lowered)]
    ours = [(v.name.rpartition("/")[2], v.shape, v.trains_in(layer)) for layer, v in found]
    # A weight without a name is numbered, `variable_2`, over all models of the process.
    theirs = [(re.sub(r"^variable_\d+$", "variable", v.name), tuple(v.shape), v.trainable) for v in pair.oracle.weights]
    assert ours == theirs, f"variables {ours}, Keras's {theirs}"
    assert sum(v.size for _, v in found) == pair.oracle.count_params()


def _assert_config(pair: Pair) -> None:
    ours, theirs = pair.spec.get_config(), keras_oracle.config_of(pair.layer)
    assert ours == theirs, f"configs differ in {[(k, ours.get(k), theirs.get(k)) for k in _differing(ours, theirs)]}"
    again = type(pair.layer).from_config(json.loads(json.dumps(ours)))
    assert keras_oracle.config_of(again) == theirs, "Keras reads another layer out of our config"


def _assert_documents(pair: Pair) -> None:
    """Keras loads what we write, and what we write in any dialect reads as the same model."""
    spec = pair.graph.spec
    loaded = keras.models.model_from_json(to_json(spec, "keras3"))
    assert keras_oracle.config_of(loaded.get_layer(pair.layer.name)) == keras_oracle.config_of(pair.layer)
    assert [tuple(t.shape) for t in loaded.outputs] == [tuple(t.shape) for t in pair.oracle.outputs]
    for dialect in DIALECTS:
        try:
            document = to_json(spec, dialect)
        except SpecError as error:
            # What a dialect has no words for is said, never left out.
            assert {d.code for d in error.diagnostics} == {UNSUPPORTED}, f"{dialect}: {error}"
            assert dialect != "keras3"
            continue
        again = check(parse_spec(document), Reporter())
        assert again is not None
        assert _said(again) == _said(pair.graph), f"written in {dialect}, it reads as another model:\n{document}"


def _said(graph: Graph) -> tuple[str, dict[str | None, Any]]:
    """What a graph computes and its layers' configs, less what each dialect says in its own way.

    That is the model's name, null arguments, the order of named ones and of inputs, and brackets around outputs.
    """
    stated = [{key: arg for key, arg in sorted(_by_name(node).items()) if arg is not None} for node in graph.nodes]
    nodes = [replace(node, args=(), kwargs=kwargs) for node, kwargs in zip(graph.nodes, stated, strict=True)]
    text = re.sub(r"^graph [^(]*|[][]", "", str(replace(graph, nodes=nodes)))
    return text, {layer.name: layer.get_config() for layer in graph.spec.members()}


def _by_name(node: Node) -> dict[str, Any]:
    """A call's arguments, those by position under the names they have."""
    names = list(inspect.signature(type(node.layer).infer_shape).parameters)[1:]
    return {**{names[i] if i < len(names) else str(i): arg for i, arg in enumerate(node.args)}, **node.kwargs}


def _assert_signature(pair: Pair) -> None:
    """Arguments by position mean what they mean in Keras."""
    cls = type(pair.spec)
    names = ("self", "name", "trainable", "dtype", "weights")
    parameters = inspect.signature(type(pair.layer).__init__).parameters.values()
    theirs = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in names]
    ours = [name for name in cls.positional or cls.model_fields if name not in names]
    assert ours[: len(theirs)] == theirs[: len(ours)], f"positional arguments {ours}, Keras's {theirs}"


def _differing(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return [key for key in {**a, **b} if key not in a or key not in b or a[key] != b[key]]


def _set_weights(pair: Pair) -> list[np.ndarray[Any, Any]]:
    values = keras_oracle.randomize(pair.oracle, keras_oracle.generator_of(pair.case))
    with torch.no_grad():
        for (layer, variable, rules), value in zip(weights(pair.lowered), values, strict=True):
            assert rules, f"no rule says where {variable.name} is"
            assign(parameters_of(pair.module, layer, rules), rules, keras_oracle.tensor(value))
    _assert_weights(pair, values, "weights read back")
    return values


def _assert_weights(pair: Pair, expected: Sequence[np.ndarray[Any, Any]], what: str) -> None:
    with torch.no_grad():
        for (layer, variable, rules), value in zip(weights(pair.lowered), expected, strict=True):
            found = read(parameters_of(pair.module, layer, rules), variable, rules)
            assert_close(found, keras_oracle.tensor(value), f"{what}: {variable.name}")


def _assert_computation(pair: Pair, training: bool) -> None:
    mode = "training" if training else "inference"
    ours, our_inputs = _run_ours(pair, training)
    theirs, their_inputs = _run_keras(pair, training)
    assert len(ours) == len(theirs), f"{len(ours)} outputs, Keras {len(theirs)}"
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert a.dtype == b.dtype, f"output {i} is {a.dtype}, Keras's {b.dtype}"
        assert_close(a, b, f"output {i} in {mode}")
    loss, their_loss = (_projection(pair.case, outputs) for outputs in (ours, theirs))
    assert (loss is None) == (their_loss is None), f"gradients in {mode}: one has none"
    if loss is None or their_loss is None:
        return
    pair.module.zero_grad()
    loss.backward()
    trained = [v for v in pair.oracle.weights if v.trainable]
    their_leaves = [*(x for x in their_inputs if x.requires_grad), *(v.value for v in trained)]
    expected = torch.autograd.grad(their_loss, their_leaves, allow_unused=True)
    our_leaves = [("input", x, x.grad) for x in our_inputs if x.requires_grad]
    our_leaves += [(name, grad, grad) for name, grad in _weight_gradients(pair)]
    for (name, like, found), wanted in zip(our_leaves, expected, strict=True):
        zeros = torch.zeros_like(like)
        message = f"gradient of {name} in {mode}"
        assert_close(zeros if found is None else found, zeros if wanted is None else wanted, message)


def _run_ours(pair: Pair, training: bool) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    inputs = _leaves(pair.arrays)
    return _flat(pair.module.train(training)(*inputs)), inputs


def _run_keras(pair: Pair, training: bool) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    inputs = _leaves(pair.arrays)
    return _flat(keras_oracle.run(pair.oracle, inputs, training)), inputs


def _leaves(arrays: Sequence[np.ndarray[Any, Any]]) -> list[torch.Tensor]:
    tensors = [torch.from_numpy(array.copy()) for array in arrays]
    return [t.requires_grad_() if t.is_floating_point() else t for t in tensors]


def _flat(outputs: Any) -> list[torch.Tensor]:
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    return [leaf for item in (outputs.values() if isinstance(outputs, dict) else outputs) for leaf in _flat(item)]


def _projection(case: Case, outputs: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """A random linear function of the outputs; None where no gradient flows."""
    rng = keras_oracle.generator_of(case)
    loss = torch.zeros(())
    for output in outputs:
        if output.requires_grad:
            weight = torch.from_numpy(rng.standard_normal(tuple(output.shape))).to(output.dtype)
            loss = loss + (output * weight).sum() / max(output.numel(), 1) ** 0.5
    return loss if loss.requires_grad else None


def _weight_gradients(pair: Pair) -> Iterator[tuple[str, torch.Tensor]]:
    """Each trainable variable's gradient, in Keras's layout: read as the weight itself is."""
    for layer, variable, rules in weights(pair.lowered):
        if variable.trains_in(layer.layer):
            parameters = parameters_of(pair.module, layer, rules)
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            yield variable.name, read(gradients, variable, rules)


def _assert_masks_and_penalties(pair: Pair) -> None:
    """What goes to a loss beside the outputs: their masks, and the activity regularizers' penalties."""
    lowered = lower_graph(pair.graph, for_training=True)
    module = build(lowered).eval()
    module.load_state_dict(pair.module.state_dict())
    with torch.no_grad():
        outputs = _flat(keras_oracle.run(pair.oracle, [torch.from_numpy(a) for a in pair.arrays], training=False))
        theirs = [keras_oracle.mask_of(output) for output in outputs]
        _, ours, penalties = module(*[torch.from_numpy(a) for a in pair.arrays])
    if isinstance(pair.spec, ProjectedAttention):
        # On the scores Keras leaves the mask of the softmax inside, by accident: it has the scores' axes, so no loss takes it.
        ours, theirs = ours[:1], theirs[:1]
    assert [m is not None for m in ours] == [m is not None for m in theirs], "masks out: which outputs have one"
    for a, b in zip(ours, theirs, strict=True):
        if a is not None:
            assert torch.equal(a, b), f"mask out {a}, Keras's {b}"
    their_penalties = [loss for layer in pair.oracle._flatten_layers() for loss in layer._get_own_losses()]
    if pair.case.class_name == "TimeDistributed":
        # Keras adds one for each step.
        penalties, their_penalties = ([torch.as_tensor(sum(listed))] for listed in (penalties, their_penalties))
    assert len(penalties) == len(their_penalties), "activity regularizers' penalties"
    # Keras lists the layers inside a layer in an order of its own; the loss takes their sum.
    for a, b in zip(sorted(penalties), sorted(their_penalties), strict=True):
        assert_close(a, b, "activity regularizer's penalty")


def _assert_source(pair: Pair) -> None:
    """The emitted file, on its own, gives bit-equal outputs and takes the module's state."""
    source = emit(pair.lowered)
    emitted = types.ModuleType("emitted")
    exec(compile(source, "<emitted>", "exec"), emitted.__dict__)
    module = getattr(emitted, class_name(pair.graph.name))()
    module.load_state_dict(pair.module.state_dict())
    inputs = [torch.from_numpy(array) for array in pair.arrays]
    with torch.no_grad():
        expected, found = _flat(pair.module.eval()(*inputs)), _flat(module.eval()(*inputs))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        other = f"emitted source computes other numbers:\n{source}"
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True, msg=other)


def _assert_random_training(pair: Pair) -> None:
    """In training, as many numbers change as in Keras, give or take what is drawn: none, some, or all."""
    shares = []
    for run in (_run_ours, _run_keras):
        (still, _), (drawn, _) = run(pair, training=False), run(pair, training=True)
        assert all(a.isfinite().all() for a in drawn)
        changed = [(a != b).double().mean().item() for a, b in zip(drawn, still, strict=True)]
        shares.append(([(a.shape, a.dtype) for a in drawn], [share > 0 for share in changed]))
    assert shares[0] == shares[1], f"in training {shares[0]}, Keras {shares[1]}"


def assert_close(found: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    """1e-5 relative, and 1e-6 of the tensor's largest value (at least of 1) near zero."""
    assert found.shape == expected.shape, f"{what}: shape {tuple(found.shape)}, Keras's {tuple(expected.shape)}"
    found, expected = found.detach(), expected.detach()
    scale = max(1.0, float(expected.double().abs().nan_to_num(0, 0, 0).max())) if expected.numel() else 1.0
    torch.testing.assert_close(
        found, expected, rtol=RTOL, atol=ATOL * scale, equal_nan=True, msg=lambda text: f"{what}: {text}"
    )


def check_exports(case: Case) -> None:
    """Assert that torch.export and torch.compile take the module, which none of the cases is excepted from."""
    pair = make_pair(case)
    module = pair.module.eval()
    inputs = tuple(torch.from_numpy(array) for array in pair.arrays)
    with torch.no_grad():
        expected = _flat(module(*inputs))
        exported = _flat(torch.export.export(module, inputs).module()(*inputs))
        torch.compiler.reset()
        compiled = _flat(torch.compile(module, fullgraph=True, backend="eager")(*inputs))
    for a, b, c in zip(expected, exported, compiled, strict=True):
        assert_close(b, a, "exported module")
        assert_close(c, a, "compiled module")
