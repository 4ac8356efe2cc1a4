"""The cases of `cases/*.yaml`, each one call of an operation: what it is called on, and how.

```yaml
- op: sum mean                            # functions of keras.ops; the case is run for each
  inputs: [[3, 4]]                        # shapes without the batch axis, or {shape: …, dtype: int32, low: 0, high: 5};
                                          # {whole: true}: with it, or without any; {unknown: [1]}: axes of unknown length
  args: [$0, 2]                           # the call's arguments, $0 being the first input; left out: the inputs
  kwargs: {keepdims: true}
  grid: {axis: [null, 1, [1, 2]]}         # more keyword arguments, expanded by product
```
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from spec_compiler.specs.types import kept_as

CASES = Path(__file__).parent / "cases"
BATCH = 3


@dataclass
class Case:
    """One call of an operation."""

    id: str
    op: str
    inputs: list[Any] = field(default_factory=list)
    args: list[Any] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    """Of the inputs that state none."""
    low: float = -2.0
    high: float = 2.0
    """Floats are drawn evenly from this range, ints from it or from 0 to 4."""
    whole: bool = False
    """Whether the inputs' shapes are stated with the batch axis, which is then known."""
    pooled: list[int] = field(default_factory=list)
    """The inputs that come out of a pooling by 2, which leaves torch's channels in front."""
    nans: bool = False
    """Whether some numbers are none."""
    wrong: list[str] = field(default_factory=list)
    """What Keras has wrong, and is not compared: `shape`, `dtype` of the symbolic tensor, what a `model` of it computes
    (its function on tensors is held to instead), the `numbers` themselves."""
    held_to: str = "keras"
    """What the numbers are held to: `keras`; where Keras goes wrong on torch or cannot run, `numpy`, or what stands for
    it in `substitutes`."""
    gradient: bool = True
    """Whether gradients are compared, those of Keras."""
    why: str = ""
    """Why something is not compared."""


_OWN = {f.name for f in fields(Case)} - {"id"}

NO_DERIVATIVE = {"nextafter"} if torch.__version__ < "2.13" else set()
"""Operations that this torch has no derivative of, and later ones have."""


def load(path: Path) -> list[Case]:
    """The cases of a file, its lists of operations and its grids expanded."""
    found = []
    for number, entry in enumerate(yaml.safe_load(path.read_text())):
        entry = dict(entry)
        grid = {"op": str(entry.pop("op")).split(), **entry.pop("grid", {})}
        for values in itertools.product(*grid.values()):
            point = dict(zip(grid, values, strict=True))
            own = {key: point.pop(key) for key in list(point) if key in _OWN}
            label = ",".join(
                f"{key}={value}".replace(" ", "") for key, value in {**point, **own}.items() if key != "op"
            )
            case = {**entry, **own, "kwargs": {**entry.get("kwargs", {}), **point}}
            if case["op"] in NO_DERIVATIVE:
                case["gradient"] = False
            found.append(Case(id=f"{path.stem}:{number}-{own['op']}({label})", **case))
    return found


def all_cases() -> list[Case]:
    """Every case."""
    return [case for path in sorted(CASES.glob("*.yaml")) for case in load(path)]


def arrays_of(case: Case) -> list[np.ndarray[Any, Any]]:
    """Random inputs, the case's own."""
    rng = np.random.default_rng(zlib.crc32(case.id.encode()))
    return [_drawn(case, stated, rng) for stated in case.inputs]


def _drawn(case: Case, stated: Any, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    given = stated if isinstance(stated, dict) else {"shape": stated}
    dtype = given.get("dtype", case.dtype)
    size = given["shape"] if _is_whole(case, given) else [BATCH, *given["shape"]]
    if "values" in given:
        return np.array(given["values"]).astype("float32" if dtype == "bfloat16" else dtype)
    if dtype == "bool":
        return np.asarray(rng.random(size) < 0.5)
    if "int" in dtype:
        return rng.integers(int(given.get("low", 0)), int(given.get("high", 5)), size).astype(dtype)
    if "complex" in dtype:
        return np.asarray(rng.standard_normal(size) + 1j * rng.standard_normal(size), dtype)
    array = rng.uniform(given.get("low", case.low), given.get("high", case.high), size)
    if given.get("square"):
        array = array @ np.swapaxes(array, -1, -2) + 2 * np.eye(size[-1])
    if case.nans:
        array[rng.random(size) < 0.2] = np.nan
    return array.astype("float32") if dtype == "bfloat16" else array.astype(dtype)


def called(function: Any, case: Case, inputs: list[Any]) -> Any:
    """What `function` gives for the case's arguments, with `inputs` in the place of $0, $1, …"""
    args = [f"${i}" for i in range(len(inputs))] if case.args is None else case.args
    return function(*_put(args, inputs), **_put(case.kwargs, inputs))


def _put(value: Any, inputs: list[Any]) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        return inputs[int(value[1:])]
    if isinstance(value, str) and value == "...":
        return ...
    if isinstance(value, dict) and set(value) == {"slice"}:
        return slice(*value["slice"])
    if isinstance(value, dict) and "array" in value:
        return np.array(value["array"], value.get("dtype", "float32"))
    if isinstance(value, dict) and set(value) == {"tuple"}:
        return tuple(_put(item, inputs) for item in value["tuple"])
    if isinstance(value, dict):
        return {key: _put(item, inputs) for key, item in value.items()}
    return [_put(item, inputs) for item in value] if isinstance(value, list) else value


def flat(outputs: Any) -> list[Any]:
    """The tensors of an output, in order."""
    return [t for one in outputs for t in flat(one)] if isinstance(outputs, (list, tuple)) else [outputs]


def types_of(case: Case, arrays: list[np.ndarray[Any, Any]]) -> list[tuple[tuple[int | None, ...], str]]:
    """Shape and dtype of each input, as the model states them."""
    pairs = zip(case.inputs, arrays, strict=True)
    return [(_stated(case, stated, array.shape), _dtype(case, stated)) for stated, array in pairs]


def _is_whole(case: Case, stated: Any) -> bool:
    return case.whole or (isinstance(stated, dict) and bool(stated.get("whole")))


def _stated(case: Case, stated: Any, shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """The shape of an input as the model states it."""
    unknown = {
        *(() if _is_whole(case, stated) else (0,)),
        *(stated.get("unknown", ()) if isinstance(stated, dict) else ()),
    }
    return tuple(None if i in unknown else n for i, n in enumerate(shape))


def _dtype(case: Case, stated: Any) -> str:
    return stated.get("dtype", case.dtype) if isinstance(stated, dict) else case.dtype


def tensors_of(case: Case, arrays: list[np.ndarray[Any, Any]]) -> list[torch.Tensor]:
    """The inputs as tensors; floats take part in gradients, if those are compared."""
    found = []
    for array, stated in zip(arrays, case.inputs, strict=True):
        tensor = torch.from_numpy(array.copy()).to(getattr(torch, kept_as(_dtype(case, stated))))
        found.append(tensor.requires_grad_() if case.gradient and tensor.is_floating_point() else tensor)
    return found
