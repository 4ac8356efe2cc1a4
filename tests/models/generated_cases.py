"""Starts of random models: the cases that layers are held to Keras by, so that every layer and argument is met."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from spec_compiler.specs import layers
from tests.layers.cases import Case, all_cases

Data = dict[str, Any]


@cache
def cases() -> dict[str, tuple[Case, ...]]:
    """The cases of each layer class, whichever of its names they go by."""
    found: dict[str, list[Case]] = {}
    for case in all_cases():
        found.setdefault(getattr(layers, case.class_name).__name__, []).append(case)
    return {name: tuple(of_class) for name, of_class in sorted(found.items())}


@cache
def stated(name: str) -> dict[str, list[Any]]:
    """The values that the cases of a class state, by argument."""
    found: dict[str, list[Any]] = {}
    for case in cases()[name]:
        for key, value in case.arguments.items():
            if value not in found.setdefault(key, []):
                found[key].append(value)
    return found


@st.composite
def starts(draw: Any, batch: Data, name: str | None = None) -> tuple[Data, list[Data]]:
    """Inputs and items of a case of a class, some of its layer's arguments those of the class's other cases."""
    name = name or draw(st.sampled_from([*cases()]))
    case = draw(st.sampled_from(cases()[name]))
    few = draw(st.sampled_from([3, 9, 30]))
    others = {key: draw(st.sampled_from(of)) for key, of in stated(name).items() if draw(st.integers(0, few)) == 0}
    return start_of(case, batch, others)


def start_of(case: Case, batch: Data, others: Data) -> tuple[Data, list[Data]]:
    """Inputs, and the items of a case on them: the layers before its layer, and the layer, called `layer_0`."""
    inputs: Data = {}

    def placeholder(shape: list[int], dtype: str) -> str:
        name = f"x_{len(inputs)}"
        inputs[name] = {"shape": shape, "dtype": dtype, **batch}
        return name

    def tensor(given: Any) -> Any:
        if isinstance(given, dict):
            return {"from": placeholder(given["shape"], given.get("dtype", "float32"))}
        if given and isinstance(given[0], (list, dict)):
            return [tensor(one) for one in given]
        return {"from": placeholder(given, "float32")}

    sources = [placeholder(shape, case.input_dtype) for shape in case.shapes]
    items = []
    fronts = case.front if isinstance(case.front, list) else [case.front] * len(sources)
    for i, front in enumerate(fronts):
        if front is not None:
            items.append({**front, "name": f"front_{i}", "from": sources[i]})
            sources[i] = f"front_{i}"
    call = {**case.call, **{key: tensor(given) for key, given in case.tensors.items()}}
    if case.mask:
        call["mask"] = tensor({"shape": case.shapes[0][:1] if case.mask is True else case.mask, "dtype": "bool"})
    ((name, arguments),) = case.layer.items()
    several = len(case.inputs) > 0 and case.input is None
    arguments = {key: value for key, value in (arguments or {}).items() if key != "name"}
    item: Data = {name: {**arguments, **others}, "name": "layer_0", "from": sources if several else sources[0]}
    if call:
        item["with"] = call
    return inputs, [*items, item]
