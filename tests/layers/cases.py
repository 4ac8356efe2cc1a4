"""The cases of `tests/layers/<family>/*.yaml`: what is in such a file, expanded to one case a test.

```yaml
- layer: {Conv2D: {filters: 6, kernel_size: [4, 3]}}
  grid: {padding: [valid, same], strides: [1, 2]}      # arguments of the layer, expanded by product
  input: [7, 9, 3]                                     # without the batch axis
```

The keys beside `layer` and `grid` are the fields of `Case`; a `grid` may vary these too, `layer` and `grid` excepted.
A layer, initializer, … inside a layer's arguments is a mapping with its class name: `{LSTM: {units: 3}}`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


@dataclass
class Case:
    """One layer, its arguments, and what it is called on."""

    id: str
    layer: dict[str, Any]
    """`{ClassName: arguments}`."""
    input: list[int] | None = None
    """The one input's shape, without the batch axis."""
    inputs: list[list[int]] = field(default_factory=list)
    """Several inputs' shapes: a list to layers that take a list, else positional arguments."""
    tensors: dict[str, Any] = field(default_factory=dict)
    """Tensors among the call's keyword arguments: a shape, a list of shapes, or `{shape: …, dtype: bool, high: …}`."""
    call: dict[str, Any] = field(default_factory=dict)
    """The call's other keyword arguments."""
    unknown: list[int] = field(default_factory=list)
    """Axes (batch axis 0) whose length the model does not know beforehand, beside the batch axis."""
    batch_shape: list[int | None] | None = None
    """The whole shape the model states, where it is more than `input` and `unknown` say (a known batch size)."""
    input_dtype: str = "float32"
    high: int = 10
    """Integer inputs are drawn from 0 to `high - 1`."""
    low: int = 0
    """Integer inputs are drawn from `low`."""
    front: dict[str, Any] | list[Any] | None = None
    """A layer before the layer, or one an input: `{Masking: {}}`, `{Embedding: {…, mask_zero: true}}`, null."""
    mask: bool | list[int] = False
    """True: called with a random `mask` of (batch, steps); a list: of (batch, *list)."""
    random: bool = False
    """Whether the layer is random in training, so that only inference is compared."""
    batch: int = 3
    """Samples in the batch."""
    message: str | None = None
    """In `bad.yaml`: what the diagnostic says, in part."""
    code: str = ""
    """In `bad.yaml`: its code."""
    keras_accepts: str | None = None
    """In `bad.yaml`: why Keras takes what is refused here; left out, the test holds that Keras refuses it too."""

    @property
    def class_name(self) -> str:
        return next(iter(self.layer))

    @property
    def arguments(self) -> dict[str, Any]:
        return next(iter(self.layer.values())) or {}

    @property
    def shapes(self) -> list[list[int]]:
        """The positional inputs' shapes, without the batch axis."""
        return self.inputs if self.input is None else [self.input]


_VARIED = {f.name for f in fields(Case)} - {"id", "layer"}


def load(path: Path) -> list[Case]:
    """The cases of a file, its grids expanded."""
    found: list[Case] = []
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for number, entry in enumerate(yaml.load(path.read_text(), loader)):
        found += _expand(f"{path.parent.name}/{path.stem}:{number}", entry)
    return found


def _expand(place: str, entry: dict[str, Any]) -> list[Case]:
    entry = dict(entry)
    grid = entry.pop("grid", {})
    ((name, arguments),) = entry.pop("layer").items()
    found = []
    for values in itertools.product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        own = {key: value for key, value in point.items() if key in _VARIED}
        stated = {key: value for key, value in point.items() if key not in _VARIED}
        label = ",".join(f"{key}={_brief(value)}" for key, value in point.items())
        layer = {name: {**(arguments or {}), **stated}}
        found.append(Case(**{**entry, **own, "id": f"{place}-{name}({label})", "layer": layer}))
    return found


def _brief(value: Any) -> str:
    return str(value).replace(" ", "").replace("'", "")


def all_cases() -> list[Case]:
    """Every case that must agree with Keras."""
    return [case for path in sorted(HERE.glob("*/*.yaml")) if path.stem != "bad" for case in load(path)]


def bad_cases() -> list[Case]:
    """Every case that must be refused by a diagnostic."""
    # The cases of operations have a form of their own.
    paths = [path for path in sorted(HERE.glob("*/bad.yaml")) if path.parent.name != "ops"]
    return [case for path in paths for case in load(path)]


def one_a_class(cases: list[Case]) -> list[Case]:
    """The first case of each layer class and file."""
    seen: dict[tuple[str, str], Case] = {}
    for case in cases:
        seen.setdefault((case.id.partition(":")[0], case.class_name), case)
    return list(seen.values())


def with_policy(case: Case, policy: str) -> Case:
    """The case, its layer and those inside it under the policy."""
    layer = {case.class_name: _under(case.arguments, policy, case.class_name)}
    dtype = "float64" if policy == "float64" and case.input_dtype == "float32" else case.input_dtype
    return replace(case, layer=layer, input_dtype=dtype, id=f"{case.id}-{policy}")


def _under(arguments: dict[str, Any], policy: str, name: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in arguments.items():
        if key in ("layer", "backward_layer", "cell", "activation") and isinstance(value, dict):
            value = _layer_under(value, policy)
        elif key in ("cell", "cells") and isinstance(value, list):
            value = [_layer_under(one, policy) for one in value]
        found[key] = value
    recurrent = "units" in found and not name.startswith(("Dense", "Highway", "Maxout"))
    if recurrent or name.startswith("ConvLSTM"):
        # LAPACK has no QR decomposition for half the precision, by which Keras draws an orthogonal matrix.
        found.setdefault("recurrent_initializer", "glorot_uniform")
    return {**found, "dtype": policy}


def _layer_under(layer: dict[str, Any], policy: str) -> dict[str, Any]:
    ((name, arguments),) = layer.items()
    return {name: _under(arguments or {}, policy, name)}
