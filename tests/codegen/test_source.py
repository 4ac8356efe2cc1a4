"""Emitted source reads as if written by hand: golden texts, and ruff finds nothing to say of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spec_compiler import Input, Model, emit, layers, load_spec, nn, parse_spec

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))


def forward(source: str) -> list[str]:
    """The statements of the last class's `forward`."""
    _, _, body = source.rpartition("    def forward(")
    return [line.strip() for line in body.splitlines()[1:]]


def attention() -> Model:
    x = Input((7, 8), name="x")
    return Model(x, layers.MultiHeadAttention(2, 4, name="attend")(x, x, use_causal_mask=True))


def test_attention_is_a_line_a_projection():
    assert forward(attention().emit()) == [
        "query = self.attend.query(x).unflatten(-1, (2, 4)).transpose(1, 2)",
        "key = self.attend.key(x).unflatten(-1, (2, 4)).transpose(1, 2)",
        "value = self.attend.value(x).unflatten(-1, (2, 4)).transpose(1, 2)",
        "y = F.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2).flatten(-2)",
        "return self.attend.attention_output(y)",
    ]


def test_names_are_free_again_once_they_are_used_no_more():
    lines = forward(emit(load_spec(next(path for path in EXAMPLES if path.stem == "transformer_block"))))
    assert sum(line.startswith("query = ") for line in lines) == 4
    assert not any("query_1" in line for line in lines)


def strided() -> Model:
    x = Input((9, 9, 3), name="x")
    return Model(x, layers.Conv2D(4, 2, strides=2, padding="same", activation="relu", name="conv")(x))


def test_odd_padding_of_a_strided_convolution():
    assert forward(strided().emit()) == [
        "return F.relu(self.conv(F.pad(x.permute(0, 3, 1, 2), (0, 1, 0, 1)))).permute(0, 2, 3, 1)",
    ]


def bidirectional() -> Model:
    x = Input((None, 4), name="x")
    return Model(x, layers.Bidirectional(layers.LSTM(3), name="both")(x))


def test_bidirectional_without_a_mask_needs_none_of_its_helpers():
    source = bidirectional().emit()
    assert forward(source) == [
        "_, forward, _ = self.both.forward_layer(x)",
        "_, y, _ = self.both.backward_layer(x.flip(1))",
        "return torch.cat([forward, y], dim=-1)",
    ]
    assert "def compact" not in source and "def spread" not in source


def masked() -> Model:
    ids = Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(ids)
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True), name="bidirectional")
    return Model(ids, both(x))


def test_masked_steps_and_states_say_which_they_are():
    assert forward(masked().emit()) == [
        "embedding = self.embedding(ids)",
        "embedding_mask = torch.ne(ids, 0)",
        "steps, place, past = compact(embedding, embedding_mask)",
        "steps, _, forward_c = self.bidirectional.forward_layer(steps, past_bt=past)",
        "forward_h = last(steps, place)",
        "forward = torch.where(embedding_mask.unsqueeze(-1), spread(steps, place), 0.0)",
        "reversed_steps = embedding.flip(1)",
        "reversed_mask = embedding_mask.flip(1)",
        "steps, place, past = compact(reversed_steps, reversed_mask)",
        "steps, _, backward_c = self.bidirectional.backward_layer(steps, past_bt=past)",
        "backward_h = last(steps, place)",
        "x = torch.where(reversed_mask.unsqueeze(-1), spread(steps, place), 0.0).flip(1)",
        "bidirectional = torch.cat([forward, x], dim=-1)",
        "return [bidirectional, forward_h, forward_c, backward_h, backward_c]",
    ]


def nested() -> Model:
    x = Input((4,))
    inner = Model(x, [layers.Dense(3, name="a")(x), layers.Dense(2, name="b")(x)], name="inner")
    left, right = Input((4,), name="left"), Input((4,), name="right")
    (p, q), (r, s) = inner(left), inner(right)
    outputs = [layers.Add(name="sum")([p, r]), layers.Concatenate(name="both")([q, s])]
    return Model([left, right], outputs, name="outer")


def by_corners() -> Model:
    x = Input((None, 5, 3))
    y = layers.Conv2D(2, 3, padding="same")(x)
    return Model(x, layers.UpSampling2D((2, 3), interpolation="bilinear", half_pixel_centers=False)(y))


def test_nested_model_is_a_class_of_its_own_and_outputs_have_their_layers_names():
    source = nested().emit()
    assert source.count("class Inner(nn.Module)") == 1 and source.count("self.inner = Inner()") == 1
    lines = forward(source)
    assert lines[-1] == "return [sum, both]"
    assert [line.partition(" = ")[2] for line in lines[:2]] == ["self.inner(left)", "self.inner(right)"]


def test_model_of_stock_modules_has_no_helpers():
    text = "inputs: {x: [8]}\nlayers: [{Dense: {units: 4, activation: relu}, name: a}, {Dense: {units: 2}, name: b}]"
    assert emit(parse_spec(text, "net.yaml")).splitlines() == [
        "from torch import nn",
        "from torch.nn import functional as F",
        "",
        "",
        "class Sequential(nn.Module):",
        '    """x (batch, 8) -> b (batch, 2)"""',
        "",
        "    def __init__(self):",
        "        super().__init__()",
        "        self.a = nn.Linear(8, 4)",
        "        self.b = nn.Linear(4, 2)",
        "",
        "    def forward(self, x):",
        "        x = F.relu(self.a(x))",
        "        return self.b(x)",
    ]


def test_ruff_finds_nothing_to_say(tmp_path):
    for path in EXAMPLES:
        (tmp_path / f"{path.stem}.py").write_text(emit(load_spec(path)))
    for make in (attention, strided, bidirectional, masked, nested, by_corners):
        (tmp_path / f"{make.__name__}.py").write_text(make().emit())
    options = ["--isolated", "--no-cache", "--line-length=120", "--target-version=py310", str(tmp_path)]
    ruff = [sys.executable, "-m", "ruff"]
    rules = "--select=E,F,W,I,B,UP,SIM,RET,C4,PIE"
    checked = subprocess.run([*ruff, "check", rules, *options], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    formatted = subprocess.run([*ruff, "format", "--diff", *options], capture_output=True, text=True)
    assert formatted.returncode == 0, formatted.stdout


@pytest.mark.parametrize(
    "make", [attention, strided, bidirectional, masked, nested, by_corners], ids=lambda make: make.__name__
)
def test_source_computes_what_the_module_does(make):
    import torch

    model = make()
    module = model.module.eval()
    namespace: dict[str, object] = {"__name__": "emitted"}
    exec(model.emit(), namespace)
    twin = namespace[type(module).__name__]().eval()
    twin.load_state_dict(module.state_dict())
    inputs = [
        torch.randint(0, 9, (3, *(n or 6 for n in value.shape[1:]))).to(getattr(torch, value.dtype))
        for value in model.graph.inputs
    ]
    ours, theirs = module(*inputs), twin(*inputs)
    pairs = zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]
    for a, b in pairs:
        assert torch.equal(a, b)


def test_readme_shows_what_is_emitted():
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    written, shown = (
        readme.split("```yaml\n", 1)[1].split("```", 1)[0],
        readme.split("```python\n", 1)[1].split("```", 1)[0],
    )
    assert emit(parse_spec(written, "readme.yaml")).endswith(f"\n\n\n{shown}")


def test_what_source_may_bring_along_has_no_longer_lines_either():
    for path in Path(nn.__file__).parent.glob("*.py"):
        assert [line for line in path.read_text().splitlines() if len(line) > 120] == []
