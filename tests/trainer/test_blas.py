"""A fast BLAS is loaded where there is one, and named; without one a note says what to do."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from cockpit.core import events as ev
from cockpit.trainer import blas
from tests.trainer.conftest import Training

Prepare = Callable[..., Training]
linux = pytest.mark.skipif(sys.platform != "linux", reason="MLX brings its own BLAS elsewhere")


def in_a_new_process(code: str) -> object:
    result = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"], capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


@linux
def test_libraries_that_are_missing_or_have_no_blas_are_passed_over() -> None:
    load = "from cockpit.trainer import blas; {}print(json.dumps(blas.load()))"
    others = "{'none': ('libnothing.so.9',), 'no blas': ('libm.so.6',), **blas.CANDIDATES}"
    found = in_a_new_process(load.format(""))
    assert in_a_new_process(load.format(f"blas.CANDIDATES = {others}; ")) == found


@linux
def test_after_mlx_it_is_too_late() -> None:
    found = in_a_new_process(
        "import mlx.core; from cockpit.trainer import blas; print(json.dumps(blas.load()))"
    )
    assert found is None


def test_never_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delitem(sys.modules, "mlx.core", raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: pytest.fail("loaded a library"))
    assert blas.load() is None


@linux
def test_the_trainer_says_which_one_it_uses(prepare: Prepare) -> None:
    training = prepare(iters=1).start()
    assert training.wait() == 0
    started = training.one(ev.Started)
    told = [note for note in training.events(ev.Note) if note.message == blas.MISSING]
    assert (started.blas is None) == bool(told)
    assert started.dtype == "float32"


@linux
def test_without_one_a_note_says_what_to_install(prepare: Prepare) -> None:
    training = prepare(iters=1)
    assert training.here() == 0
    (note,) = [n for n in training.events(ev.Note) if n.message == blas.MISSING]
    assert "libopenblas0-pthread" in note.remedy and "25 times" in note.remedy
