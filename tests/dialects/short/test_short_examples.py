"""The YAML examples are sound, of the size they say, and survive being written and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects import short
from spec_compiler.dialects.short.writer import write
from spec_compiler.loading import load_spec, validate
from spec_compiler.passes import check
from spec_compiler.summary import count
from tests.dialects.short.description import describe

EXAMPLES = Path(__file__).parent.parent.parent.parent / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))

COUNTS = {
    "digits": (29_162, 192),
    # He et al.'s network as torchvision counts it; its 4,800 batch-normalized channels have a mean and a variance each.
    "resnet18": (11_689_512, 9_600),
    # 4 blocks of 4·(128·128 + 128) for attention, 2·128·512 + 512 + 128 for the dense layers, 2·2·128 to normalize.
    "transformer_block": (8000 * 128 + 4 * (66_048 + 131_712 + 512) + 256 + 128 * 8000 + 8000, 0),
    # Embedding, two GRUs with Keras's double bias, normalization, five dense layers.
    "two_inputs": (5000 * 32 + 2 * 3 * (32 * 24 + 24 * 24 + 2 * 24) + 12 + 112 + 2_080 + 132 + 65, 12),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_example_is_sound(path):
    assert str(validate(path)) == ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_parameter_count_is_the_papers(path):
    counts = count(check(load_spec(path), Reporter()))
    assert (counts.trainable, counts.frozen) == COUNTS[path.stem]


def test_resnet18_takes_at_most_forty_lines_and_states_its_count():
    text = (EXAMPLES / "resnet18.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert f"{sum(COUNTS['resnet18']):,} parameters" in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_example_survives_writing(path):
    spec = load_spec(path)
    back = short.read(write(spec), Reporter())
    assert describe(back) == describe(spec)
    assert str(check(back, Reporter())) == str(check(spec, Reporter()))
