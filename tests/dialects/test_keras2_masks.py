"""Masks in files of Keras 2 do what they did in Keras 2; `tf_keras_oracle` holds the same to tf_keras itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import spec_compiler as sc
from spec_compiler.dialects.write import to_json
from spec_compiler.loading import parse_spec


def given(name: str, *shape: int) -> dict[str, Any]:
    return layer("InputLayer", name, [], batch_input_shape=[None, *shape])


def layer(class_name: str, name: str, *nodes: Any, **config: Any) -> dict[str, Any]:
    inbound = [[[one, 0, 0, {}] for one in node] for node in nodes if node]
    return {"class_name": class_name, "config": {"name": name, **config}, "name": name, "inbound_nodes": inbound}


def module_of(layers: list[dict[str, Any]], inputs: list[str], outputs: list[str]) -> torch.nn.Module:
    ends = {"input_layers": [[one, 0, 0] for one in inputs], "output_layers": [[one, 0, 0] for one in outputs]}
    config = {"name": "m", "layers": layers, **ends}
    document = {"class_name": "Functional", "config": config, "keras_version": "2.9.0", "backend": "tensorflow"}
    return sc.lower(parse_spec(json.dumps(document))).eval()


A = torch.tensor([[[1.0, 2], [0, 0], [3, 4], [5, 6]]])
B = torch.tensor([[[2.0, 1], [5, 7], [0, 0], [1, 1]]])
KEPT = [0, 3]
"""The steps that both masks keep."""


@pytest.mark.parametrize(
    ("name", "function"),
    [("Add", torch.add), ("Multiply", torch.mul), ("Maximum", torch.maximum), ("Minimum", torch.minimum)],
)
def test_masked_inputs_are_merged_as_they_are_and_both_masks_must_keep_a_step(name: str, function: Any) -> None:
    layers = [given("a", 4, 2), given("b", 4, 2), layer("Masking", "ma", ["a"]), layer("Masking", "mb", ["b"])]
    layers += [layer(name, "y", ["ma", "mb"]), layer("GlobalAveragePooling1D", "mean", ["y"])]
    y, mean = module_of(layers, ["a", "b"], ["y", "mean"])(A, B)
    torch.testing.assert_close(y, function(A, B))
    torch.testing.assert_close(mean, function(A, B)[:, KEPT].mean(1))


def test_concatenated_features_are_masked_where_either_is() -> None:
    layers = [given("a", 4, 2), given("b", 4, 2), layer("Masking", "ma", ["a"]), layer("Masking", "mb", ["b"])]
    layers += [layer("Concatenate", "y", ["ma", "mb"]), layer("GlobalAveragePooling1D", "mean", ["y"])]
    (mean,) = [module_of(layers, ["a", "b"], ["mean"])(A, B)]
    torch.testing.assert_close(mean, torch.cat([A, B], -1)[:, KEPT].mean(1))


def test_states_given_beside_a_sequence_leave_its_mask() -> None:
    layers = [given("a", 4, 2), given("h", 3), layer("Masking", "ma", ["a"])]
    layers.append(layer("SimpleRNN", "y", ["ma", "h"], units=3))
    module = module_of(layers, ["a", "h"], ["y"])
    h = torch.randn(1, 3)
    torch.testing.assert_close(module(A, h), module(A[:, [1, 0, 2, 3]], h))


@pytest.mark.parametrize("dialect", ["keras3", "short"])
def test_the_rule_goes_along_into_other_dialects(dialect: str) -> None:
    layers = [given("a", 4, 2), given("b", 4, 2), layer("Masking", "ma", ["a"]), layer("Masking", "mb", ["b"])]
    layers += [layer("Multiply", "y", ["ma", "mb"]), layer("GlobalAveragePooling1D", "mean", ["y"])]
    ends = {"input_layers": [["a", 0, 0], ["b", 0, 0]], "output_layers": [["mean", 0, 0]]}
    document = {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}, "keras_version": "2.9.0"}
    spec = parse_spec(json.dumps(document))
    written = to_json(spec, dialect)
    assert json.loads(written)["masks"] == "keras2"
    again = sc.lower(parse_spec(written)).eval()
    torch.testing.assert_close(again(A, B), sc.lower(spec).eval()(A, B))
    torch.testing.assert_close(again(A, B), (A * B)[:, KEPT].mean(1))


def test_models_without_masks_need_no_rule() -> None:
    layers = [given("a", 4, 2), given("b", 4, 2), layer("Multiply", "y", ["a", "b"])]
    ends = {"input_layers": [["a", 0, 0], ["b", 0, 0]], "output_layers": [["y", 0, 0]]}
    document = {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}, "keras_version": "2.9.0"}
    assert "masks" not in json.loads(to_json(parse_spec(json.dumps(document)), "keras3"))
