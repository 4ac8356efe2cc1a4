"""Every function of TensorFlow's in the table, against a formula of what its documentation says; read, converted, written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
import yaml

import spec_compiler as sc
from spec_compiler.dialects.tensorflow import raw, table
from spec_compiler.dialects.write import to_dict, to_json
from spec_compiler.loading import parse_spec
from tests.dialects.short.description import describe
from tests.dialects.tf import cases
from tests.dialects.tf.cases import Case

CASES = cases.all_cases()
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
]
CHAINS = yaml.safe_load((Path(__file__).parent / "chains.yaml").read_text())
CALLED = {f"raw:{case.function}" if case.raw else case.function for case in CASES} | {
    call[1] for chain in CHAINS for call in chain["calls"]
}
KIND = {"f": "float32", "i": "int32", "u": "int32", "b": "bool", "c": "complex64"}


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_function_computes_what_tensorflow_documents(case: Case) -> None:
    arrays = cases.arrays_of(case)
    wanted = cases.expected(case, arrays)
    document = cases.document(case, len(wanted))
    spec = parse_spec(json.dumps(document))
    found = flat(sc.lower(spec).eval()(*map(torch.from_numpy, arrays)))
    for i, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        assert tuple(ours.shape) == theirs.shape
        assert str(ours.dtype) == f"torch.{case.dtype or KIND[theirs.dtype.kind]}", f"output {i}"
        close(ours.detach().numpy(), theirs)
    if case.keras3:
        model = keras.models.model_from_json(to_json(spec, "keras3"))
        for ours, theirs in zip(found, flat(model([torch.from_numpy(a) for a in arrays])), strict=True):
            close(theirs.detach().numpy(), ours.detach().numpy())
    assert json.loads(json.dumps(to_dict(spec, "keras2"))) == document
    assert describe(parse_spec(to_json(spec, "short"))) == describe(spec)


def flat(outputs: Any) -> list[torch.Tensor]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def close(ours: Any, theirs: Any) -> None:
    if theirs.dtype.kind in "biu":
        np.testing.assert_array_equal(ours, theirs)
    else:
        scale = max(1.0, float(np.nanmax(np.abs(theirs), initial=0)))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6 * scale)


def test_every_function_has_a_case() -> None:
    assert {name for name in table.names() if name not in CALLED} == set()


def test_every_raw_operation_has_a_case() -> None:
    assert {name for name in raw.names() if f"raw:{name}" not in CALLED} == set()
