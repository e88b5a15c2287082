"""``cockpit fuse``: a folder that mlx-lm's own commands can use, and short messages otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.cli import fuse
from tests.cli.conftest import Cockpit
from tests.cli.results_run import finished_run, refused


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("made"))


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(made))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return made


def generated(model: Path) -> str:
    """What mlx-lm's own command says, greedily."""
    command = [sys.executable, "-m", "mlx_lm", "generate", "--model", str(model), "--temp", "0"]
    command += ["--prompt", "What does a cow say?", "--max-tokens", "8", "--verbose", "False"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_is_a_model_like_any_other(cockpit: Cockpit, tmp_path: Path) -> None:
    told = cockpit("fuse", "small", "--gguf")
    assert told.code == 0, told.err
    (folder,) = tmp_path.glob("*-fused")
    assert "read back by mlx" in told.out and str(folder) in told.err
    assert "keeps 100% of what was learned" in told.out and "packed" not in told.err
    marker = json.loads((folder / "cockpit_fuse.json").read_text())
    assert (folder / marker["gguf"]["path"]).stat().st_size == marker["gguf"]["size_bytes"]

    tuned = cockpit("try", "small", "What does a cow say?", "--max-tokens", "8", "--json")
    assert generated(folder) == tuned.document["answers"][0]["tuned"]["text"].strip()

    refused(cockpit("fuse", "small"), str(folder), "--force")
    again = cockpit("fuse", "small", "--force", "--checkpoint", "2", "--json").document
    assert (again["path"], again["checkpoint"], again["gguf"]) == (str(folder), 2, None)
    assert not list(folder.glob("*.gguf")) and not list(tmp_path.glob(".*partial"))


def test_a_disk_that_fills_up_leaves_nothing_behind(home: Path, tmp_path: Path) -> None:
    """A limit on the size of files is what a full disk looks like to whoever writes."""
    output = tmp_path / "out"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 1000; {sys.executable} -m cockpit fuse small --output {output}"],
        cwd=tmp_path,
        env=os.environ | {"TERM": "dumb"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "The disk is full" in done.stderr, done.stderr
    assert not list(tmp_path.glob("*out*"))


def test_what_is_not_to_be_replaced_is_not(cockpit: Cockpit, home: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years")
    refused(cockpit("fuse", "small", "--output", mine, "--force"), str(mine), "--output")
    refused(cockpit("fuse", "small", "--output", home, "--force"), "the run itself")
    refused(cockpit("fuse", "small", "--checkpoint", "9"), "none after update 9")
    assert (mine / "thesis.txt").read_text() == "years"


@pytest.mark.parametrize(("bits", "dequantize"), [(4, False), (4, True), (None, False)])
def test_that_packing_again_loses_something_is_said_before(
    bits: int | None, dequantize: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packing = {"quantization": {"group_size": 64, "bits": bits}} if bits else {}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"} | packing))
    fuse.warn_of_packing(tmp_path, dequantize=dequantize)
    said = capsys.readouterr().err
    if bits and not dequantize:
        assert "packed in 4 bits" in said and "--dequantize" in said and "3.6 times" in said
    else:
        assert not said
