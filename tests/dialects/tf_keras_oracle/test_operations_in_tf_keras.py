"""Operations of `keras.ops` that we write for Keras 2 compute in tf_keras what ours compute: every case, and random graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.dialects.write import to_json
from spec_compiler.loading import parse_spec
from spec_compiler.lowering.lower import build, lower_spec
from tests.dialects.tf.test_inverse import WRITTEN, cases_of, document_of
from tests.dialects.tf_keras_oracle.oracle import assert_close, flat, outputs_of, run, with_weights_of
from tests.layers.ops import oracle
from tests.layers.ops.test_graphs import GRAPHS, _run

tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.slow

NOT_COMPARED = {
    "linalg:5-eigh()": "eigenvectors are known up to a sign",
    "linalg:28-eigh()": "eigenvectors are known up to a sign",
    "linalg:12-svd(full_matrices=True,compute_uv=True)": "singular vectors are known up to a sign",
    "linalg:12-svd(full_matrices=False,compute_uv=True)": "singular vectors are known up to a sign",
    "linalg:29-svd()": "singular vectors are known up to a sign",
    "signal:13-top_k()": "which of two equal numbers is the first",
    "signal:35-top_k()": "in no order",
    "signal:17-segment_sum(num_segments=4)": "segments that there are none of: TensorFlow refuses such data",
}
"""Cases whose numbers are not one's own."""

INTEGERS_POOLED = 77
"""Keras 2 pools integers as integers."""


@pytest.mark.parametrize("op", WRITTEN)
def test_operation_computes_the_same(op: str) -> None:
    done = 0
    for case in cases_of(op):
        spec, text = document_of(case)
        if text is None or case.id in NOT_COMPARED:
            continue
        arrays = oracle.arrays_of(case)
        theirs = tf_keras.models.model_from_json(text)
        wanted = [one.numpy() for one in flat(theirs(arrays if len(arrays) > 1 else arrays[0]))]
        found = run(build(lower_spec(spec)).eval(), arrays)
        assert len(found) == len(wanted), case.id
        for a, b in zip(found, wanted, strict=True):
            assert_same(a, b, case.id)
        done += 1
    assert done or op == "Eigh", "every case is refused"


def assert_same(ours: Any, theirs: Any, case: str) -> None:
    assert (ours.shape, str(ours.dtype)) == (theirs.shape, str(theirs.dtype)), case
    scale = np.max(np.abs(theirs), where=np.isfinite(theirs), initial=1) if theirs.dtype.kind in "fc" else 0
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6 * scale, err_msg=case)


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_graph_of_operations_and_layers_computes_the_same(seed: int) -> None:
    if seed == INTEGERS_POOLED:
        pytest.skip("Keras 2 pools integers as integers")
    model, tensors, _ = _run(seed)
    spec = parse_spec(model.to_json())
    try:
        text = to_json(spec, "keras2")
    except SpecError as error:
        pytest.skip(error.diagnostics[0].message)
    theirs = tf_keras.models.model_from_json(text)
    module = with_weights_of(theirs, lower_spec(spec))
    arrays = [tensor.detach().numpy() for tensor in tensors]
    assert_close(run(module, arrays), outputs_of(theirs, arrays))
    again = parse_spec(theirs.to_json())  # as tf_keras writes it itself
    assert_close(run(with_weights_of(theirs, lower_spec(again)), arrays), outputs_of(theirs, arrays))
