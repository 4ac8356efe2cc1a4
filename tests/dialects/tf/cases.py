"""Cases of `cases/*.yaml`: a call of a function of TensorFlow's, and what its documentation says it computes, in numpy.

```yaml
- tf: math.reduce_mean              # the function, or several of one meaning; `raw` for a raw operation
  inputs: [[4, 5]]                  # shapes without the batch, or {shape, dtype, low, high}; named x, y, z, w below
  first: $0                         # the first argument, if it is not the first input; $1 is the second input
  with: {axis: [1], keepdims: true} # the others
  numpy: x.mean(axis=1, keepdims=True)
```

A raw operation's inputs are the model's, with `constants` put in at their places, and `attr` its attributes.
"""

from __future__ import annotations

import colorsys
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special
import torch
import yaml

HERE = Path(__file__).parent / "cases"
BATCH = 3
NAMES = "xyzw"


@dataclass
class Case:
    id: str
    function: str
    numpy: str
    raw: bool = False
    inputs: list[Any] = field(default_factory=lambda: [[4, 5]])
    first: Any = "$0"
    kwargs: dict[str, Any] = field(default_factory=dict)
    constants: dict[int, Any] | None = None
    attr: dict[str, Any] = field(default_factory=dict)
    low: float = -2.0
    high: float = 2.0
    dtype: str | None = None
    """Of the output, where it is not that of the formula's kind: float32, int32, bool."""
    keras3: bool = True
    """Whether Keras 3 computes the same; `why` says why it does not."""
    why: str = ""


def all_cases() -> list[Case]:
    return [case for path in sorted(HERE.glob("*.yaml")) for case in load(path)]


def load(path: Path) -> Iterator[Case]:
    for number, entry in enumerate(yaml.safe_load(path.read_text())):
        entry = dict(entry)
        raw = "raw" in entry
        functions = entry.pop("raw" if raw else "tf").split()
        grid = entry.pop("grid", {})
        kwargs = entry.pop("with", {})
        for function, values in itertools.product(functions, itertools.product(*grid.values())):
            point = dict(zip(grid, values, strict=True))
            label = "".join(f",{key}={value}" for key, value in point.items()).replace(" ", "")
            formula = entry["numpy"]
            for key, value in point.items():
                formula = formula.replace(f"<{key}>", repr(value))
            fields = {**entry, "numpy": formula, "kwargs": {**kwargs, **point}}
            yield Case(id=f"{path.stem}:{number}-{function}{label}", function=function, raw=raw, **fields)


def arrays_of(case: Case) -> list[np.ndarray[Any, Any]]:
    """Random inputs, the case's own."""
    rng = np.random.default_rng(zlib.crc32(case.id.encode()))
    found = []
    for stated in case.inputs:
        given = stated if isinstance(stated, dict) else {"shape": stated}
        dtype, size = given.get("dtype", "float32"), (BATCH, *given["shape"])
        if dtype == "bool":
            array = rng.random(size) < 0.5
        elif "int" in dtype:
            array = rng.integers(int(given.get("low", 0)), int(given.get("high", 5)), size)
        else:
            array = rng.uniform(given.get("low", case.low), given.get("high", case.high), size)
        if given.get("square"):
            array = array @ np.swapaxes(array, -1, -2) + 2 * np.eye(size[-1])
        found.append(array.astype(dtype))
    return found


def document(case: Case, count: int = 1) -> dict[str, Any]:
    """The model of tf.keras's that makes the call, with so many outputs."""
    layers: list[dict[str, Any]] = []
    for name, stated in zip(NAMES, case.inputs, strict=False):
        given = stated if isinstance(stated, dict) else {"shape": stated}
        config = {
            "batch_input_shape": [None, *given["shape"]],
            "dtype": given.get("dtype", "float32"),
            "sparse": False,
            "ragged": False,
            "name": name,
        }
        layers.append({"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []})
    ends = [[layer["name"], 0, 0] for layer in layers]
    layers.append(_raw_layer(case) if case.raw else _function_layer(case))
    name = layers[-1]["name"]
    config = {
        "name": "case",
        "trainable": True,
        "layers": layers,
        "input_layers": ends,
        "output_layers": [[name, 0, i] for i in range(count)],
    }
    return {"class_name": "Functional", "config": config, "keras_version": "2.15.0", "backend": "tensorflow"}


def _function_layer(case: Case) -> dict[str, Any]:
    class_name = "SlicingOpLambda" if case.function == "__operators__.getitem" else "TFOpLambda"
    config = {"name": f"tf.{case.function}", "trainable": True, "dtype": "float32", "function": case.function}
    kwargs = {key: _keyword(value) for key, value in case.kwargs.items()}
    return {
        "class_name": class_name,
        "config": config,
        "name": config["name"],
        "inbound_nodes": [_entry(case.first, kwargs)],
    }


def _raw_layer(case: Case) -> dict[str, Any]:
    count = len(case.inputs) + len(case.constants or {})
    inputs = [f"input_{i}" for i in range(count)]
    node = {"name": case.function, "op": case.function, "input": inputs, "attr": case.attr}
    config = {"name": case.function, "trainable": True, "dtype": "float32", "node_def": node}
    config["constants"] = {str(key): value for key, value in (case.constants or {}).items()}
    entries = [[name, 0, 0, {}] for name, _ in zip(NAMES, case.inputs, strict=False)]
    name = f"tf_op_layer_{case.function}"
    return {"class_name": "TensorFlowOpLayer", "config": config, "name": name, "inbound_nodes": [entries]}


def _entry(value: Any, kwargs: dict[str, Any]) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        return [NAMES[int(value[1:])], 0, 0, kwargs]
    if isinstance(value, list) and any(isinstance(item, str) for item in value):
        return [_entry(item, kwargs) for item in value]
    return ["_CONSTANT_VALUE", -1, value, kwargs]


def _keyword(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        return [NAMES[int(value[1:])], 0, 0]
    if isinstance(value, dict) and set(value) == {"slice"}:
        return dict(zip(("start", "stop", "step"), value["slice"], strict=True))
    if isinstance(value, list):
        return [_keyword(item) for item in value]
    return {"class_name": "__ellipsis__"} if value == "..." else value


def expected(case: Case, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What the formula gives, worked out in float64."""
    wide = [a.astype("float64") if a.dtype.kind == "f" else a for a in arrays]
    scope = {
        "np": np,
        "sp": scipy.special,
        "torch": torch,
        "F": torch.nn.functional,
        **dict(zip(NAMES, wide, strict=False)),
    }
    scope |= {"tensor": torch.from_numpy, "softmax": scipy.special.softmax, "log_softmax": scipy.special.log_softmax}
    scope |= {"same_conv2d": same_conv2d, "resampled": resampled, "cubic": cubic, "colorsys": colorsys}
    result = eval(case.numpy, scope)  # noqa: S307 - the formulas are ours
    results = list(result) if isinstance(result, (list, tuple)) else [result]
    return [one.numpy() if isinstance(one, torch.Tensor) else np.asarray(one) for one in results]


def same_conv2d(x: np.ndarray[Any, Any], filters: Any, strides: Any) -> torch.Tensor:
    """A convolution with "SAME" padding: `ceil(n / stride)` places, the odd zero at the end."""
    kernel = np.array(filters)
    steps = [strides] * 2 if isinstance(strides, int) else strides[1:3] if len(strides) == 4 else strides
    pads: list[int] = []
    for n, k, step in zip(x.shape[1:3], kernel.shape[:2], steps, strict=True):
        total = max((-(-n // step) - 1) * step + k - n, 0)
        pads = [total // 2, total - total // 2, *pads]
    images = torch.nn.functional.pad(torch.from_numpy(x.transpose(0, 3, 1, 2)), pads)
    weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    return torch.nn.functional.conv2d(images, weight, stride=tuple(steps)).permute(0, 2, 3, 1)


def resampled(
    x: np.ndarray[Any, Any], size: list[int], kernel: Any, radius: float, steps: int = 0
) -> np.ndarray[Any, Any]:
    """Images of another size: pixels, centres at halves, weighed by distance, which is rounded to one of `steps` a pixel.

    Those outside do not count.
    """
    for axis, m in zip((1, 2), size, strict=True):
        n = x.shape[axis]
        distance = (np.arange(m)[:, None] + 0.5) * (n / m) - (np.arange(n)[None] + 0.5)
        distance = np.rint(distance * steps) / steps if steps else distance
        weights = kernel(distance) * (np.abs(distance) <= radius)
        weights /= weights.sum(axis=1, keepdims=True)
        x = np.moveaxis(np.tensordot(weights, x, (1, axis)), 0, axis)
    return x


def cubic(d: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Keys's cubic convolution with a = -1/2."""
    d = np.abs(d)
    return np.where(d < 1, 1.5 * d**3 - 2.5 * d**2 + 1, np.where(d < 2, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2, 0))
