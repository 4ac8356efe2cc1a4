"""Lower a typed graph to a torch.fx graph and the expressions of its modules.

The layers' lowerings are ordinary PyTorch on fx proxies; what they do is recorded. The recorded graph runs as a
GraphModule, and `codegen` prints it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, cast

import torch
import torch.fx
from torch.fx.proxy import GraphAppendingTracer

from spec_compiler.diagnostics import UNSUPPORTED, Diagnostic, SpecError, show
from spec_compiler.ir import Graph, Node, Value, map_values, values_in
from spec_compiler.lowering.call import Call, permuted, times, unpacked
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.lowered import LoweredGraph, LoweredLayer
from spec_compiler.lowering.names import ATTRIBUTES, READ_IN_CODE, Names, identifier
from spec_compiler.lowering.proxy import Proxy, node_of
from spec_compiler.lowering.regularizers import penalty
from spec_compiler.lowering.table import lowering_of, mask_lowering_of
from spec_compiler.lowering.weights import Rule
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.contract import ContractError, is_own
from spec_compiler.specs.model import ModelSpec, all_inside, inside
from spec_compiler.specs.regularizers import Regularizer
from spec_compiler.specs.types import Layout


def lower_graph(graph: Graph, *, for_training: bool = False) -> LoweredGraph:
    """Lower a checked graph.

    `for_training`: it returns `(outputs, masks, penalties)`, what a loss takes besides the outputs: a mask or None for
    each output, and the activity regularizers' penalties, scalars.
    """
    return GraphLowering(graph, for_training).run()


class _Tracer(GraphAppendingTracer):
    """Appends what is done with proxies to the fx graph, each step marked with the layer it belongs to."""

    layer = ""

    def __init__(self, graph: torch.fx.Graph, functions: list[Callable[..., Any]]) -> None:
        super().__init__(graph)
        self.functions = functions

    def create_node(self, kind: str, target: Any, *args: Any, **kwargs: Any) -> torch.fx.Node:
        node = super().create_node(kind, target, *args, **kwargs)
        node.meta["layer"] = self.layer
        ours = isinstance(target, FunctionType) and target.__module__.partition(".")[0] != "torch"
        if ours and target not in self.functions:
            self.functions.append(target)
        return node

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, torch.Tensor):
            # It would be a constant of the graph without a place in the module, on whatever device it was made.
            raise TypeError(
                f"the lowering of layer '{self.layer}' computes with a tensor of its own: have the graph make it, as "
                "`call.function(torch.arange, 5)` does, or keep it in a module's buffer"
            )
        return super().create_arg(a)


class Retracer(torch.fx.Tracer):
    """Traces a module's code when it is unpickled: `functions`, which are ours, are steps, as they were."""

    def trace(
        self, root: Any, concrete_args: dict[str, Any] | None = None, functions: Sequence[Callable[..., Any]] = ()
    ) -> torch.fx.Graph:
        torch.fx.Tracer.__init__(self, autowrap_functions=tuple(functions))
        return super().trace(root, concrete_args)


class _Whole:
    """What the lowerings of a model and of those in it have in common, so that a layer of several is one in all."""

    def __init__(self, graph: Graph) -> None:
        self.trainable = graph.spec.trainable
        self.modules: dict[tuple[int, str], ModuleExpr] = {}
        """By `id(layer)` and the name under the layer's."""
        self.calls: dict[int, list[Node]] = {}
        self.changed: set[int] = set()
        """By `id(layer)`: those whose weights a layer around them changes while others compute with them."""
        self._count(graph)

    def _count(self, graph: Graph) -> None:
        for node in graph.nodes:
            self.calls.setdefault(id(node.layer), []).append(node)
            for layer in (node.layer, *all_inside(node.layer)):
                if layer.changes_inside:
                    self.changed.update(map(id, inside(layer)))
            if node.body is not None:
                self._count(node.body)


class GraphLowering:
    """The lowering of one graph under way."""

    def __init__(
        self, graph: Graph, for_training: bool = False, whole: _Whole | None = None, tells_steps: bool = False
    ) -> None:
        self.graph = graph
        self.whole = whole or _Whole(graph)
        self.for_training = for_training
        self.tells_steps = tells_steps
        self.steps: Any = 1
        """How many steps of a TimeDistributed the batch holds; told by an argument if `tells_steps`."""
        self.penalties: list[Proxy] = []
        functions: list[Callable[..., Any]] = []
        self.fx_graph = torch.fx.Graph(tracer_cls=Retracer, tracer_extras={"functions": functions})
        self.tracer = _Tracer(self.fx_graph, functions)
        self.modules: dict[str, ModuleExpr | LoweredGraph] = {}
        self.layers: dict[int, LoweredLayer] = {}
        self._proxies: dict[tuple[int, Layout], Proxy] = {}
        self._masks: dict[int, Proxy] = {}
        self._targets = Names()
        self._arguments = Names(READ_IN_CODE)

    def calls_of(self, layer: LayerSpec) -> list[Node]:
        """The layer's calls in the whole model."""
        return self.whole.calls.get(id(layer), [])

    def trains(self, layer: LayerSpec) -> bool:
        """Whether the layer trains, which the whole model may keep it from."""
        return layer.trains and self.whole.trainable

    def changes(self, layer: LayerSpec) -> bool:
        """Whether the layer's weights may change between a call and its backward pass, so that it needs them as copies."""
        return id(layer) in self.whole.changed

    def run(self) -> LoweredGraph:
        for value in self.graph.inputs:
            self._proxies[id(value), "keras"] = self._placeholder(value.name)
        masked = [value for value in self.graph.inputs if value.mask is value]
        for value in masked:
            self._masks[id(value)] = self._placeholder(f"{value.name}_mask", None)
        if self.tells_steps:
            self.steps = self._placeholder("steps", 1)
        for node in self.graph.nodes:
            self._lower(node)
        outputs: Any = map_values(self.proxy, self.graph.outputs)
        if self.for_training:
            masks = [self.mask(value.mask) for value in values_in(self.graph.outputs)]
            outputs = (outputs, masks, self.penalties)
        self.fx_graph.output(torch.fx.node.map_aggregate(outputs, lambda p: node_of(p) if isinstance(p, Proxy) else p))
        self._drop_unused_outputs()
        return LoweredGraph(self.graph, self.fx_graph, self.modules, self.layers, len(self.penalties))

    def _drop_unused_outputs(self) -> None:
        for node in reversed(self.fx_graph.nodes):
            if node.target is operator.getitem and not node.users:
                self.fx_graph.erase_node(node)

    def _placeholder(self, name: str, *default: Any) -> Proxy:
        name = self._arguments.fresh(identifier(name))
        return cast(Proxy, self.tracer.create_proxy("placeholder", name, default, {}))

    def _lower(self, node: Node) -> None:
        self.tracer.layer = node.name
        call = Call(node, self)
        if node.body is not None:
            results = self._nested(node, node.body)
        else:
            args = map_values(lambda v: self._taken(v, call, node.layout), node.args)
            kwargs = {
                key: map_values(self.proxy if key.endswith("mask") else lambda v: self._taken(v, call), arg)
                for key, arg in node.kwargs.items()
                if key not in ("mask", "training")
            }
            found = lowering_of(type(node.layer))(node.layer, call, *args, **kwargs)
            results = found if isinstance(found, tuple) else (found,)
            self._check(node, results)
            self.penalize(node.layer.output_regularizer, results)
        for value, proxy in zip(node.outputs, results, strict=True):
            self._proxies[id(value), value.layout] = proxy

    def _check(self, node: Node, results: tuple[Any, ...]) -> None:
        """Raise ContractError where the user's lowering gives other outputs than there are, or places no such weights."""
        layer = node.layer
        if not is_own(layer):
            return
        if len(results) != len(node.outputs) or not all(isinstance(one, Proxy) for one in results):
            given = ", ".join("a tensor" if isinstance(one, Proxy) else show(one) for one in results)
            told = "1 output" if len(node.outputs) == 1 else f"{len(node.outputs)} outputs"
            message = f": its lowering returned ({given}), and its infer_shape() tells of {told}"
            raise ContractError(layer, message)
        stated = {variable.name for variable in self.graph.variables.get(id(layer), [])}
        placed = {rule.variable for rule in self.layers[id(layer)].rules} if id(layer) in self.layers else set()
        if stated != placed:
            message = f": its variables() are {show(sorted(stated))}, and the Rules of its lowering place {show(sorted(placed))}"
            raise ContractError(layer, message)

    def _taken(self, value: Value, call: Call, layout: Layout = "keras") -> Proxy:
        """`value` in the dtype that the layer called takes it in."""
        x = self.proxy(value, layout)
        return x if call.taken_dtype(value) == value.dtype else call.cast(x)

    def penalize(self, regularizer: Regularizer | None, outputs: Sequence[Proxy], steps: Any = 1) -> None:
        """Count the penalties that an activity regularizer puts on outputs, where penalties are wanted.

        `steps`: how many make up the batch, each of them penalized as a batch.
        """
        if self.for_training and regularizer is not None:
            # Keras divides by the batch size, so that the penalty does not grow with it.
            found = [penalty(regularizer, output) / output.shape[0] for output in outputs]
            self.penalties += found if isinstance(steps, int) and steps == 1 else [one * steps for one in found]

    def _nested(self, node: Node, body: Graph) -> Any:
        masked = any(value.mask is not None for value in values_in(body.outputs))
        more = masked or (self.for_training and penalized(body))
        target = self._target(node.layer)
        at_every_step = not isinstance(node.layer, ModelSpec)
        told = (at_every_step or self.tells_steps) and any(layer.steps_apart for layer in body.spec.walk())
        if target not in self.modules:
            self.modules[target] = GraphLowering(body, more, self.whole, told).run()
        args = [
            self.proxy(value) if value.dtype == inner.dtype else self.proxy(value).to(getattr(torch, inner.dtype))
            for value, inner in zip(node.inputs, body.inputs, strict=True)
        ]
        if at_every_step:
            return self._at_every_step(node, body, target, args[0], more, told)
        given = zip(node.inputs, node.masks, body.inputs, strict=True)
        given_masks = [self._mask_given(value, mask, inner) for value, mask, inner in given if inner.mask is inner]
        steps = {"steps": self.steps} if told else {}
        result: Any = self.tracer.create_proxy("call_module", target, (*args, *given_masks), steps)
        masks: Any = [None] * len(node.outputs)
        if more:
            result, masks, inner_penalties = result[0], result[1], result[2]
            count = self.modules[target].penalties  # type: ignore[union-attr]
            self.penalties += [inner_penalties[i] for i in range(count)]
        leaves = _unpack(result, body.outputs)
        for i, (value, inner) in enumerate(zip(node.outputs, values_in(body.outputs), strict=True)):
            if inner.mask is not None:
                self._masks[id(value)] = masks[i]
        return tuple(leaves)

    def _mask_given(self, value: Value, mask: Value | None, inner: Value) -> Proxy | None:
        """The mask that a nested model is called with: of every step, where another call has one and this has none."""
        return self.mask(mask) if mask is not None else _of_all_steps(self.proxy(value), inner)

    def _at_every_step(self, node: Node, body: Graph, target: str, x: Proxy, more: bool, told: bool) -> tuple[Proxy]:
        """What a nested model makes of all steps of `x` as one batch, the steps apart again."""
        known = node.inputs[0].shape[1]  # type: ignore[index]
        steps: Any = x.shape[1] if known is None else known
        args, inner = [x.flatten(0, 1)], body.inputs[0]
        if inner.mask is inner:
            given = len(node.mask_shapes[0] or ()) == len(inner.mask_shape or ()) + 1
            mask = self.mask(node.masks[0]) if given else None
            args.append(_of_all_steps(args[0], inner) if mask is None else mask.flatten(0, 1))
        kwargs = {"steps": times(self.steps, steps)} if told else {}
        result: Any = self.tracer.create_proxy("call_module", target, tuple(args), kwargs)
        if more:
            result, masks, penalties = result[0], result[1], result[2]
            value, made = node.outputs[0], next(values_in(body.outputs)).mask
            if value.mask is value and made is not None:
                self._masks[id(value)] = masks[0].unflatten(0, (-1, steps))
            # Keras divides each by the size of one step's batch.
            self.penalties += [penalties[i] * steps for i in range(self.modules[target].penalties)]  # type: ignore[union-attr]
        (y,) = _unpack(result, body.outputs)
        return (y.unflatten(0, (-1, steps)),)

    def proxy(self, value: Value, layout: Layout = "keras") -> Proxy:
        """`value` in the order of axes asked for; permuted once, however many ask."""
        key = (id(value), layout)
        if key not in self._proxies:
            have = self._proxies[id(value), value.layout]
            assert value.shape is not None
            self._proxies[key] = permuted(have, len(value.shape), to_keras=layout == "keras")
        return self._proxies[key]

    def mask(self, value: Value | None) -> Proxy | None:
        """The mask that `value` makes; computed when first asked for, so that a mask nobody needs costs nothing."""
        if value is None:
            return None
        if id(value) not in self._masks:
            if value.mask is not value:
                return self.proxy(value)
            node = value.node
            assert node is not None
            current, self.tracer.layer = self.tracer.layer, f"{node.name}_mask"
            args = map_values(self.proxy, node.args)
            kwargs = {
                key: map_values(self.proxy, arg) for key, arg in node.kwargs.items() if key not in ("mask", "training")
            }
            self._masks[id(value)] = mask_lowering_of(type(node.layer))(node.layer, Call(node, self), *args, **kwargs)
            self.tracer.layer = current
        return self._masks[id(value)]

    def module(self, layer: LayerSpec, expr: ModuleExpr, rules: Sequence[Rule], name: str) -> Callable[..., Any]:
        """The layer's submodule under `name`, declared on the layer's first call."""
        target = self._target(layer) + (f".{name}" if name else "")
        if target not in self.modules:
            self.modules[target] = expr
            lowered = self.layers[id(layer)]
            prefix = f"{name}." if name else ""
            lowered.rules += [Rule(r.variable, prefix + r.parameter, r.axes, r.shape, r.gates, r.row) for r in rules]
        first = self.whole.modules.setdefault((id(layer), name), expr)
        if first != expr:
            message = f"layer '{layer.name}' is called on inputs that one module cannot serve: {expr}, {first}"
            raise SpecError([Diagnostic(UNSUPPORTED, message, help="use a layer of its own for each call")])

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.tracer.create_proxy("call_module", target, args, kwargs)

        return call

    def _target(self, layer: LayerSpec) -> str:
        if id(layer) not in self.layers:
            name = identifier(str(layer.name))
            target = self._targets.fresh(f"{name}_" if name in ATTRIBUTES else name)
            self.layers[id(layer)] = LoweredLayer(layer, target, self.graph.variables.get(id(layer), []))
        return self.layers[id(layer)].target


def penalized(graph: Graph) -> bool:
    """Whether a layer of the graph, nested ones included, has an activity regularizer."""
    return any(getattr(layer, "activity_regularizer", None) is not None for layer in graph.spec.walk())


def _of_all_steps(x: Proxy, value: Value) -> Any:
    """A mask of the steps of `x`, or of its samples, that leaves none out; `value` is the input that bears it."""
    n = min(len(value.mask_shape or (0, 0)), 2)
    return torch.ones_like(x if len(value.shape or ()) == n else x.flatten(n)[..., 0], dtype=torch.bool)


def _unpack(result: Any, structure: Any) -> list[Any]:
    """The leaves of a nested model's result, in order."""
    if isinstance(structure, Value):
        return [result]
    flat = not isinstance(structure, dict) and all(isinstance(item, Value) for item in structure)
    if flat and len(structure) > 1:
        return list(unpacked(result, len(structure)))
    items = structure.items() if isinstance(structure, dict) else enumerate(structure)
    return [leaf for key, item in items for leaf in _unpack(result[key], item)]
