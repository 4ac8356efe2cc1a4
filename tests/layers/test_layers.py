"""Every layer against Keras, over the cases of `tests/layers/<family>/*.yaml`."""

from __future__ import annotations

import pytest

from tests.layers.cases import Case, all_cases, bad_cases, one_a_class
from tests.layers.check import check_exports, check_layer
from tests.layers.refused import check_refused

# What Keras says of its own: masks it drops, copies numpy makes.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
]

CASES = all_cases()


def _ids(cases: list[Case]) -> list[str]:
    return [case.id for case in cases]


@pytest.mark.parametrize("case", CASES, ids=_ids(CASES))
def test_layer_matches_keras(case: Case) -> None:
    check_layer(case)


@pytest.mark.parametrize("case", one_a_class(CASES), ids=_ids(one_a_class(CASES)))
def test_layer_exports_and_compiles(case: Case) -> None:
    check_exports(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=_ids(CASES))
def test_every_case_exports_and_compiles(case: Case) -> None:
    check_exports(case)


@pytest.mark.parametrize("case", bad_cases(), ids=_ids(bad_cases()))
def test_impossible_layer_is_a_diagnostic(case: Case) -> None:
    check_refused(case)
