"""Files are there whole, as they were or as they are to be, however the writing ends."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from spec_compiler.writing import write_atomically


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [b"earlier", None])
def test_failure_leaves_what_was_there_and_nothing_beside(tmp_path, monkeypatch, error, before):
    path = tmp_path / "model.safetensors"
    if before is not None:
        path.write_bytes(before)

    def fail(self, target):
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)) as caught:
        write_atomically(path, b"later")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([] if before is None else [before])
    if isinstance(error, OSError):
        assert caught.value.filename == str(path)


def test_text_is_written_as_it_is(tmp_path):
    write_atomically(tmp_path / "a.csv", "ä,b\r\n1,2\r\n")
    assert (tmp_path / "a.csv").read_bytes() == "ä,b\r\n1,2\r\n".encode()


def test_links_and_permissions_stay(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("earlier")
    target.chmod(0o600)
    link.symlink_to(target)
    write_atomically(link, "later")
    assert link.is_symlink() and target.read_text() == "later"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_model_killed_while_it_is_saved_is_whole(tmp_path):
    from spec_compiler import Input, Sequential, layers
    from spec_compiler.models import load_model

    path = tmp_path / "model.safetensors"
    model = Sequential([Input((300,)), layers.Dense(3000)])
    kernel, bias = model.get_weights()
    model.save(path)
    for pause in (0.01, 0.03, 0.05, 0.07):
        child = os.fork()
        if not child:
            for n in range(10**6):
                model.set_weights([np.full_like(kernel, n), np.full_like(bias, n)])
                model.save(path)
        time.sleep(pause)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kernel_read, bias_read = load_model(path).get_weights()
        if bias_read.any():
            assert (kernel_read == bias_read[0]).all()
