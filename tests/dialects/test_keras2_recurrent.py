"""Recurrent layers as tf.keras wrote them, where Keras 3 writes them otherwise: the same model as Keras 3's document."""

from __future__ import annotations

import json
from typing import Any

import keras

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.write import to_dict
from spec_compiler.loading import parse_spec, validate
from spec_compiler.passes import check

L = keras.layers


def layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": config}


def test_forward_layer_that_goes_backwards_has_a_backward_layer_that_does_not() -> None:
    x = keras.Input((5, 3), name="x")
    back = L.LSTM(4, name="backward_lstm")
    theirs = keras.Model(x, L.Bidirectional(L.LSTM(4, go_backwards=True, name="lstm"), "ave", backward_layer=back)(x))
    first = layer("InputLayer", name="x", batch_input_shape=[None, 5, 3])
    lstm = layer("LSTM", name="lstm", units=4, recurrent_activation="sigmoid", go_backwards=True)
    both = layer("Bidirectional", name="bidirectional", layer=lstm, merge_mode="ave")
    ours = parse_spec(json.dumps(layer("Sequential", layers=[first, both])))
    expected = next(one for one in parse_spec(theirs.to_json()).members() if one.class_name == "Bidirectional")
    (found,) = (one for one in ours.members() if one.class_name == "Bidirectional")
    assert found.get_config() | {"name": None} == expected.get_config() | {"name": None}
    written = to_dict(ours, "keras2")["config"]["layers"][1]["config"]
    assert written["layer"]["config"]["go_backwards"] is True and "backward_layer" not in written


def test_states_of_both_directions_come_beside_empty_keywords() -> None:
    def placed(class_name: str, name: str, nodes: list[Any], **config: Any) -> dict[str, Any]:
        return {**layer(class_name, name=name, **config), "name": name, "inbound_nodes": nodes}

    def document(keywords: dict[str, Any]) -> dict[str, Any]:
        states = [placed("InputLayer", f"s{i}", [], batch_input_shape=[None, 4]) for i in range(2)]
        node = [["x", 0, 0, keywords], *([f"s{i}", 0, 0, keywords] for i in range(2))]
        both = placed("Bidirectional", "both", [node], layer=layer("GRU", name="gru", units=4), merge_mode="concat")
        first = placed("InputLayer", "x", [], batch_input_shape=[None, 5, 3])
        ends = {"input_layers": [[name, 0, 0] for name in ("x", "s0", "s1")], "output_layers": [["both", 0, 0]]}
        return layer("Functional", name="m", layers=[first, *states, both], **ends)

    stated = document({"initial_state": None, "constants": None})
    assert validate(stated).ok
    graphs = [check(parse_spec(json.dumps(one)), Reporter()) for one in (stated, document({}))]
    assert str(graphs[0]) == str(graphs[1])
    assert "takes no call argument 'constants'" in str(validate(document({"constants": [1]})))
