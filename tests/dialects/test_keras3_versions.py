"""What Keras 3's files mean by the version that wrote them, where the versions differ and the words do not."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest
import torch

from spec_compiler.diagnostics import SpecError
from spec_compiler.dialects.write import to_dict, to_json, to_yaml
from spec_compiler.loading import load_spec, parse_spec
from spec_compiler.runtime.model import Model
from tests.layers.check import assert_close

L = keras.layers
MERGING = {
    "Add": torch.add,
    "Subtract": torch.sub,
    "Multiply": torch.mul,
    "Average": lambda a, b: (a + b) / 2,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
    "Concatenate": lambda a, b: torch.cat([a, b], -1),
}


def merged(layer: Any, masked: int) -> keras.Model:
    """A model of two inputs, the first `masked` of which mask steps of zeros, that merges them and ends in an LSTM."""
    inputs = [keras.Input((4, 3)), keras.Input((4, 3))]
    y = layer([L.Masking()(x) if i < masked else x for i, x in enumerate(inputs)])
    return keras.Model(inputs, [y, L.LSTM(2, bias_initializer="random_normal", name="last")(y)])


def steps() -> list[torch.Tensor]:
    """Two batches of steps, of which some are zeros in one, in the other, and in both."""
    x, y = torch.randn(2, 3, 4, 3, generator=torch.Generator().manual_seed(0))
    x[0, 2:], y[0, 3:], x[1, 0], y[2, 1], x[2, 1:3] = 0, 0, 0, 0, 0
    return [x, y]


def stated(model: keras.Model, version: str | None) -> str:
    """The model's document, where the last layer is told of no mask: today's Keras writes the one it found."""
    document = json.loads(model.to_json())
    for layer in document["config"]["layers"]:
        if layer["name"] == "last":
            layer["inbound_nodes"][0]["kwargs"] = {"training": False, "mask": None}
    return json.dumps({**document, **({"keras_version": version} if version else {})})


def outputs(spec: Any, model: keras.Model, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    ours = Model.from_spec(spec)
    ours.set_weights(model.get_weights())
    return list(ours.module(*inputs))


@pytest.mark.parametrize("masked", [1, 2])
@pytest.mark.parametrize("name", MERGING)
@pytest.mark.parametrize(("version", "old"), [("3.0.5", True), ("3.3.3", True), ("3.4.0", False), (None, False)])
def test_merged_tensors_bore_no_mask_until_3_3(version: str | None, old: bool, name: str, masked: int) -> None:
    """Keras 3.3.3 (layers/layer.py, `__call__`) asks a layer's first argument for its mask: a list has none.

    Nor have its Multiply, Maximum and Minimum (layers/merging) looked at masks.
    """
    model = merged(getattr(L, name)(), masked)
    inputs = steps()
    found = outputs(parse_spec(stated(model, version)), model, inputs)
    if old:
        y = MERGING[name](*inputs)
        expected = [y, model.get_layer("last")(y)]
    else:
        expected = model(inputs)
    for a, b in zip(found, expected, strict=True):
        assert_close(a, b, str(version))


@pytest.mark.parametrize(("version", "old"), [("3.3.3", True), ("3.4.0", False)])
def test_attention_passed_no_mask_on_until_3_3(version: str, old: bool) -> None:
    model = merged(L.Attention(), 2)
    inputs = steps()
    y, last = outputs(parse_spec(stated(model, version)), model, inputs)
    theirs = model(inputs)
    assert_close(y, theirs[0], version)
    # The LSTM alone, on steps without a mask, or the whole model.
    assert_close(last, model.get_layer("last")(theirs[0].detach().clone()) if old else theirs[1], version)


@pytest.mark.parametrize(("version", "zeros"), [("3.0.5", False), ("3.9.2", False), ("3.10.0", True), ("3.14.0", True)])
def test_softmax_of_nothing_was_even_until_3_9(version: str, zeros: bool) -> None:
    """Keras 3.9.2 (layers/activations/softmax.py) takes 1e9 from what is masked; 3.10.0 has zeros in the output besides."""
    x = keras.Input((4, 3))
    model = keras.Model(x, L.Softmax()(x, mask=keras.ops.greater(x, 0.0)))
    given = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    given[0, 1] = -1.0
    found = Model.from_spec(parse_spec(stated(model, version))).module(given)
    expected = (given - 1e9 * (given <= 0)).softmax(-1)
    expected[0, 1] = 0.0 if zeros else 1 / 3
    partly = (given > 0).any(-1, keepdim=True)
    assert_close(found, torch.where(partly, expected, 0.0 if zeros else 1 / 3), version)


def test_archive_says_which_version_wrote_it(tmp_path: Path) -> None:
    model = merged(L.Add(), 2)
    path = tmp_path / "old.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.3.3"}))
        archive.writestr("config.json", stated(model, None))
    x, y = steps()
    found = outputs(load_spec(path), model, [x, y])[1]
    assert_close(found, model.get_layer("last")(x + y), "archive")


@pytest.mark.parametrize(("version", "rule"), [("3.3.3", "keras3.3"), ("3.4.0", None), (None, None)])
def test_rule_for_masks_goes_into_every_form(version: str | None, rule: str | None) -> None:
    model = merged(L.Maximum(), 2)
    spec = parse_spec(stated(model, version))
    expected = outputs(spec, model, steps())
    for text in (to_json(spec, "keras3"), to_yaml(spec, "short")):
        again = parse_spec(text)
        for a, b in zip(outputs(again, model, steps()), expected, strict=True):
            assert torch.equal(a, b)
    assert to_dict(spec, "short").get("masks") == rule
    spec.name = "changed"  # so that it is not written word for word
    assert to_dict(spec, "keras3").get("masks") == rule
    with pytest.raises(SpecError, match="Keras 2"):
        to_json(spec, "keras2")


def test_rule_of_softmax_goes_into_every_form() -> None:
    x = keras.Input((4, 3))
    model = keras.Model(x, L.Softmax()(x, mask=keras.ops.greater(x, 0.0)))
    spec = parse_spec(stated(model, "3.9.2"))
    spec.name = "changed"
    assert to_dict(spec, "keras3")["masks"] == "keras3.9"
    given = -torch.ones(2, 4, 3)
    assert_close(
        Model.from_spec(parse_spec(to_yaml(spec, "short"))).module(given), torch.full((2, 4, 3), 1 / 3), "softmax"
    )


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
@pytest.mark.parametrize("masked", [0, 1])
def test_masks_are_null_where_an_input_has_none(name: str, masked: int) -> None:
    """Keras 3.0 to 3.9 write the masks that a call found: one an input, `null` for none."""
    inputs = [keras.Input((4, 3)), keras.Input((5, 3))]
    mask = keras.ops.any(keras.ops.not_equal(inputs[0], 0.0), axis=-1)
    model = keras.Model(inputs, getattr(L, name)(name="y")(inputs, mask=[mask if masked else None, None]))
    document = json.loads(model.to_json())
    if not masked:
        (call,) = document["config"]["layers"][-1]["inbound_nodes"]
        call["kwargs"]["mask"] = [None, None]
    x, y = torch.randn(3, 4, 3), torch.randn(3, 5, 3)
    x[0, 2:] = 0
    ours = Model.from_spec(parse_spec(json.dumps(document)))
    ours.set_weights(model.get_weights())
    assert_close(ours.module(x, y), model([x, y]), name)


def dense(dtype: Any) -> str:
    config = {"name": "y", "units": 2, "dtype": dtype}
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 3], "name": "x"}},
        {"module": "keras.layers", "class_name": "Dense", "config": config, "registered_name": None},
    ]
    return json.dumps({"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": layers}})


def written(policy: Any) -> dict[str, Any]:
    return dict(keras.saving.serialize_keras_object(policy))


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16"])
def test_policy_for_every_layer_is_its_default(dtype: str) -> None:
    """Keras since 3.5 (dtype_policies/dtype_policy_map.py) has a policy by each layer's name, and one for the rest."""
    every = keras.dtype_policies.DTypePolicyMap(dtype)
    assert parse_spec(dense(written(every))).members()[1].dtype == dtype
    every["m/y"] = keras.dtype_policies.DTypePolicy("float16")
    with pytest.raises(SpecError, match=r"Dense\.dtype: a layer with dtypes for single parts of it cannot be built"):
        parse_spec(dense(written(every)))


@pytest.mark.parametrize("policy", ["int8_from_float32", "float8_from_mixed_bfloat16"])
@pytest.mark.parametrize("as_text", [True, False])
def test_quantized_layer_is_refused(as_text: bool, policy: str) -> None:
    """Keras 3.3 (dtype_policies/dtype_policy.py) writes the policy's name, 3.4 and later what it is made of."""
    said = policy if as_text else written(keras.dtype_policies.get(policy))
    with pytest.raises(SpecError, match=r"Dense\.dtype: a quantized layer cannot be built"):
        parse_spec(dense(said))


def test_seed_may_be_a_generator() -> None:
    """Keras 3 (initializers/random_initializers.py) draws by a new generator what it draws by its seed."""
    layer = json.loads(dense("float32"))
    start = keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(4))
    layer["config"]["layers"][1]["config"]["kernel_initializer"] = keras.saving.serialize_keras_object(start)
    kernel = Model.from_spec(parse_spec(json.dumps(layer))).get_weights()[0]
    assert_close(torch.from_numpy(kernel), keras.initializers.RandomNormal(seed=4)((3, 2)), "kernel")


def test_rotation_had_a_range_of_values_until_3_5() -> None:
    """Keras 3.4.1 (layers/preprocessing/random_rotation.py) writes `value_range`, which its call does not read."""
    layer = L.RandomRotation(0.2, fill_mode="wrap", seed=1, name="y")
    model = keras.Sequential([keras.Input((5, 4, 3)), layer])
    document = json.loads(model.to_json())
    document["config"]["layers"][1]["config"]["value_range"] = [0, 255]
    x = torch.randn(2, 5, 4, 3)
    spec = parse_spec(json.dumps(document))
    assert spec.members()[1] == parse_spec(model.to_json()).members()[1]
    assert_close(Model.from_spec(spec).module.eval()(x), model(x, training=False), "rotation")


@pytest.mark.parametrize("dtype", [None, "int32"])
@pytest.mark.parametrize(("name", "more"), [("zeros_like", ()), ("ones_like", ()), ("full_like", (2,))])
def test_dtype_of_an_operation_stood_among_the_call_s_arguments(name: str, more: Any, dtype: str | None) -> None:
    """Keras 3.9.2 (ops/numpy.py) has it in ZerosLike's `call`, 3.12.0 in its `__init__`, and so in the config."""
    x = keras.Input((3,))
    model = keras.Model(x, getattr(keras.ops, name)(x, *more, dtype=dtype))
    document = json.loads(model.to_json())
    operation = document["config"]["layers"][-1]
    operation["config"].pop("dtype", None)
    operation["inbound_nodes"][0]["kwargs"]["dtype"] = dtype
    given = torch.randn(2, 3)
    found = Model.from_spec(parse_spec(json.dumps(document))).module(given)
    expected = model(given)
    assert found.dtype == expected.dtype and torch.equal(found, expected)
