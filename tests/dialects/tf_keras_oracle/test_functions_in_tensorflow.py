"""The calls of `tests/dialects/tf/cases` in tf_keras: what TensorFlow computes, and what tf_keras writes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spec_compiler.loading import parse_spec
from spec_compiler.lowering.lower import build, lower_spec
from tests.dialects.tf import cases
from tests.dialects.tf.cases import Case
from tests.dialects.tf_keras_oracle.oracle import assert_close, outputs_of, run

tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.slow

CASES = cases.all_cases()

OTHER = {
    "nn.dropout": "here it drops in training alone",
    "keras.backend.dropout": "here it drops in training alone",
    "nn.embedding_lookup": "a table that tf_keras reads back is a list of rows, which TensorFlow takes for shards",
}
"""What TensorFlow computes otherwise, and why."""

NOT_READ_BACK = [
    "meshgrid",
    "einsum",
    "linalg.einsum",
    "keras.backend.dot",
    "keras.backend.bias_add",
    "keras.backend.pool2d",
    "nn.batch_normalization",
    "searchsorted",
    "math.segment_sum",
    "keras.backend.cumprod",
    "Conj",
    "Concat",
    "ResourceGather",
]
"""Calls that tf_keras cannot read from a file: of more than one positional tensor, or with constants, which it reads as lists."""


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_function_computes_what_tensorflow_computes(case: Case) -> None:
    if case.function in OTHER or case.function in NOT_READ_BACK:
        pytest.skip(OTHER.get(case.function, "tf_keras cannot read it back"))
    arrays = cases.arrays_of(case)
    document = json.dumps(cases.document(case, len(cases.expected(case, arrays))))
    theirs = loaded(document)
    wanted = outputs_of(theirs, arrays)
    for text in (document, theirs.to_json()):
        assert_close(run(build(lower_spec(parse_spec(text))).eval(), arrays), wanted)


def loaded(document: str) -> Any:
    try:
        return tf_keras.models.model_from_json(document)
    except ValueError as error:
        if "could not be found" in str(error):
            pytest.skip("TensorFlow has no such name today")
        raise
