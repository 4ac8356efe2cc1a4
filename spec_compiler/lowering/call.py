"""What a lowering is given of the call it lowers: shapes, masks, layout, and the means to make modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch

from spec_compiler.ir import Node, Value
from spec_compiler.lowering.activations import activate
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy, node_of
from spec_compiler.lowering.table import lowering_of
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn.policy import Mixed
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.shapes import Shape

if TYPE_CHECKING:
    from spec_compiler.lowering.to_fx import GraphLowering
    from spec_compiler.specs.regularizers import Regularizer


class Call:
    """One call of a layer while it is lowered. Shapes and axes are Keras's; `axis` tells where torch has them."""

    def __init__(self, node: Node, lowering: GraphLowering) -> None:
        self.node = node
        self._lowering = lowering

    @property
    def shapes(self) -> list[Shape]:
        """Shapes of the inputs, batch axis first, in Keras's order of axes."""
        return [value.shape for value in self.node.inputs]  # type: ignore[misc]

    @property
    def output_shapes(self) -> list[Shape]:
        """Shapes of the outputs."""
        return [value.shape for value in self.node.outputs]  # type: ignore[misc]

    @property
    def masks(self) -> list[Proxy | None]:
        """Each input's mask, booleans, or None; an explicit `mask=` of the call stands for the first."""
        return [self._boolean(mask) for mask in self.node.masks]

    @property
    def mask_ranks(self) -> list[int]:
        """How many axes each input's mask has; 0 where there is none."""
        return [len(shape or ()) for shape in self.node.mask_shapes]

    def _boolean(self, mask: Value | None) -> Proxy | None:
        found = self._lowering.mask(mask)
        if mask is None or found is None or mask.mask is mask or mask.dtype == "bool":
            return found
        return found.bool()

    @property
    def mask(self) -> Proxy | None:
        """The first input's mask, or None."""
        return self.masks[0] if self.node.inputs else None

    @property
    def ever_masked(self) -> bool:
        """Whether this call of the layer, or another in the model, has a mask for its first input."""
        calls = [self.node, *self._lowering.calls_of(self.node.layer)]
        return any(node.masks[:1] not in ([], [None]) for node in calls)

    def lengths(self, dims: Shape) -> Shape:
        """`dims`, lengths of the input's axes, as far as the layer's one module may know them.

        It serves every call of the layer: where these have inputs of several shapes, no length is known.
        """
        return dims if len(self.every_shape) == 1 else (None,) * len(dims)

    @property
    def every_shape(self) -> set[tuple[Shape, ...]]:
        """The shapes of the inputs of each call of the layer in the model."""
        calls = self._lowering.calls_of(self.node.layer)
        return {tuple(value.shape for value in node.inputs) for node in calls}  # type: ignore[misc]

    @property
    def several_ranks(self) -> bool:
        """Whether the layer is called on inputs of several ranks in the model."""
        return len({len(shape) for shape, *_ in self.every_shape}) > 1

    @property
    def training(self) -> bool | None:
        """The call's own `training` argument; None: the module's mode decides."""
        return self.node.kwargs.get("training")

    @property
    def output_mask(self) -> Proxy | None:
        """The mask that the first output bears, or None."""
        return self._lowering.mask(self.node.outputs[0].mask)

    steps: Any = 1
    """How many steps are computed as one batch, each of which Keras penalizes as a batch of its own."""

    def steps_told(self) -> dict[str, Any]:
        """The argument `steps` of a module that must tell the steps in its batch apart; none where there is one."""
        steps = times(self._lowering.steps, self.steps) if self.node.layer.steps_apart else 1
        return {} if is_one(steps) else {"steps": steps}

    def penalize(self, regularizer: Regularizer | None, *outputs: Proxy) -> None:
        """Add the penalties that an activity regularizer puts on outputs to the loss."""
        self._lowering.penalize(regularizer, outputs, self.steps)

    def taken_dtype(self, value: Value) -> str:
        """The dtype that the layer takes an input in: floats, and what it makes floats of, in the one it computes in."""
        layer = self.node.layer
        if not layer.autocasts or "float" not in self.compute_dtype:
            return value.dtype
        made_floats = "float" in self.node.outputs[0].dtype and not layer.takes_integers
        return self.compute_dtype if "float" in value.dtype or made_floats else value.dtype

    def cast(self, x: Proxy) -> Proxy:
        """`x` in the dtype that the layer computes in."""
        return x.to(getattr(torch, self.compute_dtype))

    @property
    def compute_dtype(self) -> str:
        """What the layer computes in."""
        return self.node.layer.compute_dtype

    def stated_dtype(self) -> dict[str, torch.dtype]:
        """The argument `dtype` of a module that holds numbers of its own; none where that is float32."""
        dtype = self.compute_dtype
        return {} if dtype == "float32" else {"dtype": getattr(torch, dtype)}

    @property
    def channels_first(self) -> bool:
        """Whether the inputs come with the channels moved behind the batch axis."""
        return self.node.layout == "channels_first"

    def axis(self, axis: int, rank: int | None = None) -> int:
        """Where torch has Keras's `axis`, counted from the front when the layout is not Keras's."""
        if not self.channels_first:
            return axis
        rank = rank or len(self.shapes[0])
        axis %= rank
        return 0 if axis == 0 else 1 if axis == rank - 1 else axis + 1

    def dims(self, shape: Shape) -> Shape:
        """`shape` in the order of axes that torch has it in."""
        return (shape[0], shape[-1], *shape[1:-1]) if self.channels_first else shape

    def module(
        self,
        expr: ModuleExpr,
        rules: Sequence[Rule] = (),
        name: str = "",
        computes_in: str | None = None,
        owner: LayerSpec | None = None,
    ) -> Callable[..., Any]:
        """The layer's submodule, made once however often the layer is called; call it with proxies.

        It bears the layer's name, or stands under it when `name` is given: `dense_13.weight`, `sep.depthwise.weight`.
        Its weights, those that `rules` place, are kept in the layer's variable dtype, and computed with in the compute
        dtype, or in `computes_in`. They are `owner`'s, where that is another than the layer.
        """
        if rules:
            owner = owner or self.node.layer
            copied = self.copies(owner)
            expr, rules = in_policy(expr, rules, owner.variable_dtype, computes_in or self.compute_dtype, copied)
            expr = expr if self._lowering.trains(owner) else expr.freeze()
        return self.place(expr, rules, name)

    def copies(self, layer: LayerSpec) -> bool:
        """Whether the call computes with copies of the layer's weights, because another call changes them."""
        return self._lowering.changes(layer)

    def place(self, expr: ModuleExpr, rules: Sequence[Rule], name: str) -> Callable[..., Any]:
        """The module as it stands, under the layer's name."""
        return self._lowering.module(self.node.layer, expr, rules, name)

    def inner(
        self, layer: LayerSpec, name: str, x: Proxy, shape: Shape, mask: Proxy | None = None, **kwargs: Any
    ) -> Any:
        """What `layer`, one inside this call's layer, makes of `x` of `shape`, both in Keras's order of axes.

        Its modules and its variables stand under `name`, or in the outer layer's place where `name` is "". Its activity
        regularizer counts, as it does in Keras where the outer layer calls it.
        """
        return InnerCall(self, layer, name, shape, mask, kwargs).lower(x)

    def inlined(self, layer: LayerSpec, x: Proxy, shape: Shape, steps: Any, mask: Proxy | None = None) -> Any:
        """The same of `steps` steps as one batch in the outer layer's place: in its dtype, without a penalty on the outputs."""
        inner = InnerCall(self, layer, "", shape, mask, {}, self.compute_dtype)
        inner.steps = times(self.steps, steps)
        return inner.lower(x)

    def proxy(self, value: Value) -> Proxy:
        """One of the call's inputs, in the order of axes that they come in."""
        return self._lowering.proxy(value, self.node.layout)

    def function(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Proxy:
        """A call of `function` as one step, not traced into: for functions of ours in `nn/`."""
        return cast(Proxy, self._lowering.tracer.create_proxy("call_function", function, args, kwargs))

    def outputs(self, result: Any) -> Any:
        """What a module returned, as many proxies as the layer has outputs."""
        return unpacked(result, len(self.node.outputs))

    @staticmethod
    def given(**kwargs: Any) -> dict[str, Any]:
        """The arguments that are not None: what is not given is not written."""
        return {key: value for key, value in kwargs.items() if value is not None}

    def activate(self, activation: str | LayerSpec, x: Proxy, axis: int = -1) -> Any:
        """`activation` of `x`; `axis` is Keras's, for the ones that work along one."""
        return activate(activation, x, self.axis(axis), self.axis)


def is_one(n: Any) -> bool:
    """Whether `n`, a number or what the graph computes, is known to be 1."""
    return isinstance(n, int) and n == 1


def times(a: Any, b: Any) -> Any:
    """`a * b`, numbers or what the graph computes, without a multiplication by 1 in it."""
    return b if is_one(a) else a if is_one(b) else a * b


def unpacked(result: Proxy, n: int) -> Proxy | tuple[Proxy, ...]:
    """The `n` outputs of a step; marked, so that the source reads `y, h, c = ...`."""
    if n == 1:
        return result
    node_of(result).meta["outputs"] = n
    return tuple(result[i] for i in range(n))


def over_last(run: Callable[[Proxy], Proxy], x: Proxy, axes: Sequence[int]) -> Proxy:
    """`run` of `x` with `axes` moved behind all others, and moved back: one module for inputs of several ranks."""
    last = tuple(range(-len(axes), 0))
    return run(x.movedim(tuple(axes), last)).movedim(last, tuple(axes))


def named(x: Proxy, part: str) -> Proxy:
    """`x`, which the source calls `part` where it needs a name: what it is within the layer."""
    node_of(x).meta["part"] = part
    return x


class InnerCall(Call):
    """The call of a layer inside a layer, while the outer one is lowered."""

    def __init__(
        self,
        outer: Call,
        layer: LayerSpec,
        name: str,
        shape: Shape,
        mask: Proxy | None,
        kwargs: dict[str, Any],
        computes_in: str | None = None,
    ) -> None:
        self.in_place = computes_in is not None
        self._compute_dtype = computes_in or layer.compute_dtype
        value = Value(outer.node.name, shape=shape, dtype=outer.taken_dtype(outer.node.inputs[0]))
        # A mask that is given to an inner layer is given explicitly: "mask" among the arguments says so.
        explicit = self.given(mask=mask, training=outer.training)
        super().__init__(Node(outer.node.name, layer, (value,), explicit), outer._lowering)
        self.outer = outer
        self.steps = outer.steps
        self.name = name
        self.kwargs = kwargs
        found = layer.infer_shape(shape)
        for i, out in enumerate(found if isinstance(found, list) else [found]):
            self.node.outputs.append(Value(self.node.name, self.node, i, out, layer.output_dtype(value.dtype)))
        if len(shape) > 2 and layer.layout(len(shape)) == "channels_first":
            self.node.layout = "channels_first"

    @property
    def every_shape(self) -> set[tuple[Shape, ...]]:
        return self.outer.every_shape

    @property
    def compute_dtype(self) -> str:
        return self._compute_dtype

    @property
    def masks(self) -> list[Proxy | None]:
        return [self.node.kwargs.get("mask")]

    @property
    def mask_ranks(self) -> list[int]:
        # A layer in the outer one's place runs at every step, so that the axis of the steps is gone.
        return [0 if self.masks[0] is None else self.outer.mask_ranks[0] - self.in_place]

    @property
    def ever_masked(self) -> bool:
        return self.outer.ever_masked

    def place(self, expr: ModuleExpr, rules: Sequence[Rule], name: str) -> Callable[..., Any]:
        if self.name:
            rules = [replace(rule, variable=f"{self.name}/{rule.variable}") for rule in rules]
        return self.outer.place(expr, rules, ".".join(part for part in (self.name, name) if part))

    def lower(self, x: Proxy) -> Proxy | tuple[Proxy, ...]:
        """The layer's outputs for `x`, in Keras's order of axes, in the inner layer's dtype."""
        rank, kwargs = len(self.shapes[0]), self.kwargs
        if self.taken_dtype(self.node.inputs[0]) != self.node.inputs[0].dtype:
            # So are the states to start from: the outer layer has brought all that it takes to one dtype.
            x, kwargs = self.cast(x), {name: [self.cast(state) for state in states] for name, states in kwargs.items()}
        if self.channels_first:
            x = permuted(x, rank, to_keras=False)
        result = lowering_of(type(self.node.layer))(self.node.layer, self, x, **kwargs)
        results = result if isinstance(result, tuple) else (result,)
        if not self.in_place:
            self.penalize(self.node.layer.output_regularizer, *results)
        if self.channels_first:
            ranks = [len(shape) for shape in self.output_shapes]
            results = tuple(permuted(y, r, True) if r == rank else y for y, r in zip(results, ranks, strict=True))
        return results if isinstance(result, tuple) else results[0]


def in_policy(
    expr: ModuleExpr, rules: Sequence[Rule], variable_dtype: str, compute_dtype: str, copied: bool = False
) -> tuple[ModuleExpr, Sequence[Rule]]:
    """A module with its weights in `variable_dtype` that computes in `compute_dtype`, and where its weights then are.

    It computes with copies of them where the dtypes differ, and where they are to be `copied`.
    """
    if "float" not in compute_dtype:
        return expr, rules
    expr = expr.to(getattr(torch, variable_dtype))
    if variable_dtype == compute_dtype and not copied:
        return expr, rules
    mixed = ModuleExpr(Mixed, expr, getattr(torch, compute_dtype))
    return mixed, [replace(rule, parameter=f"module.{rule.parameter}") for rule in rules]


def permuted(x: Proxy, rank: int, to_keras: bool) -> Proxy:
    """`x` with its last axis moved behind the batch axis, or back to Keras's order of axes."""
    if rank == 3:
        return x.transpose(1, 2)
    return x.permute(0, *range(2, rank), 1) if to_keras else x.permute(0, rank - 1, *range(1, rank - 1))
