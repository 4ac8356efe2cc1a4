"""Documents broken at random places: read or refused with diagnostics, never anything else; what is read is written."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects import short
from spec_compiler.dialects.short.writer import write
from spec_compiler.ir import build_graph
from tests.dialects.short.description import describe

SOUND = yaml.safe_load("""
inputs: {x: [4, 4, 3], y: {shape: [5], dtype: int32}}
layers:
- {Dense: {units: 3, kernel_initializer: {HeNormal: {seed: 1}}}, from: x, name: d}
- {b: {n: 3}, repeat: 2}
- {m: {}, from: x}
- {call: d, from: x, with: {mask: {from: d}}}
- {Add: {}, from: [d, d]}
- {Bidirectional: {layer: {LSTM: {units: 3}}}}
- {TimeDistributed: {layer: m}}
outputs: [d, Add]
blocks:
  b:
    params: {n: null, k: 3}
    layers:
    - Conv2D: {filters: "${n*2}", kernel_size: ["${k}", 3]}
    - Identity
    - {Add: {}, from: [input, Identity]}
models:
  m: {inputs: {z: [4, 4, 3]}, layers: [Identity, {Dense: {units: 3}}], trainable: false}
training:
  optimizer: {Adam: {learning_rate: {CosineDecay: {initial_learning_rate: 0.1, decay_steps: 10}}}}
  loss: {d: mse, add: {Huber: {delta: 2}}}
  metrics: [accuracy]
  fit: {epochs: 3, class_weight: {0: 1}}
""")

JUNK = [
    None, True, 0, -1, 3, 2**70, 1.5, "", "x", "d", "input", "${n}", "${", "[1]", "d[1]", "d[99]", "Dense", "b", "m",
    "Identity", "\ud800", "a\nb", [], {}, [[]], ["x", ["x"]], {"from": "x"}, {"Dense": {"units": 3}}, {"a": {"b": {}}},
    {1: 2}, {None: 1}, {"class_name": "Dense", "config": {}}, {"layer": "m"}, {"b": {}}, {"call": "d"}, {"call": "Identity"},
]  # fmt: skip
KEYS = [junk for junk in JUNK if not isinstance(junk, (list, dict))]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside `value`."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield (*path, step)
        yield from places(child, (*path, step))


def mutate(data: Any, rng: random.Random) -> None:
    """Change one value, key or list of `data`."""
    *path, last = rng.choice(list(places(data)))
    holder = data
    for step in path:
        holder = holder[step]
    kind = rng.random()
    if kind < 0.2 and isinstance(holder, dict):
        del holder[last]
    elif kind < 0.3 and isinstance(holder, dict):
        holder[rng.choice(KEYS)] = holder.pop(last)
    elif kind < 0.4 and isinstance(holder, list):
        holder.insert(last, copy.deepcopy(rng.choice(JUNK)))
    else:
        holder[last] = copy.deepcopy(rng.choice(JUNK))


def test_the_sound_document_is_sound():
    reporter = Reporter()
    assert short.read(SOUND, reporter) is not None, str(reporter.result())


@pytest.mark.parametrize("seed", range(8))
def test_mutations_are_read_or_refused(seed):
    rng = random.Random(seed)
    read = 0
    for _ in range(100):
        data = copy.deepcopy(SOUND)
        for _ in range(rng.randint(1, 2)):
            mutate(data, rng)
        reporter = Reporter()
        spec = short.read(data, reporter)
        assert (spec is None) != reporter.ok, (data, str(reporter.result()))
        if spec is not None:
            read += 1
            back = short.read(write(spec), Reporter())
            assert describe(back) == describe(spec), data
            assert str(build_graph(back, Reporter())) == str(build_graph(spec, Reporter()))
    assert read
