"""``cockpit check``: one model through every stage, its verdict kept and shown."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Cockpit


def test_real_weights_from_loading_to_gguf(cockpit: Cockpit, home: Path) -> None:
    done = cockpit("check", "nano", "--real", "--json")

    assert done.code == 0, done.err
    document = done.document
    assert document["model"] == "nano" and document["passed"] is True
    (report,) = document["checks"]
    stages = {stage["stage"]: stage for stage in report["stages"]}
    assert [s for s in stages if stages[s]["status"] == "passed"] == [
        "load",
        "train",
        "resume",
        "fuse",
        "reload",
        "generate",
        "export",
    ]
    assert stages["dequantize"]["status"] == "not for this family"
    assert "nano, 16-bit: train" in done.err
    kept = json.loads((home / "compatibility.json").read_text())["verdicts"]
    assert [verdict["model"] for verdict in kept] == ["nano"]
    # No run is left behind, and no copy of the model.
    assert [path.name for path in home.iterdir() if path.is_dir()] == []


def test_a_model_that_is_nowhere(cockpit: Cockpit) -> None:
    unknown = cockpit("check", "nowhere")
    assert unknown.code == 2 and "no such model" in unknown.err.lower()
    on_the_hub = cockpit("check", "someone/something")
    assert on_the_hub.code == 2 and "hf download someone/something config.json" in on_the_hub.err
    listed = cockpit("check", "llama-3.1-8b", "--real")
    assert listed.code == 2 and "leave out --real" in listed.err


def test_an_architecture_that_mlx_lm_does_not_have(cockpit: Cockpit, tmp_path: Path) -> None:
    folder = tmp_path / "strange"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "lama", "hidden_size": 8}')

    done = cockpit("check", "./strange", "--json")

    assert done.code == 1
    assert "no such architecture" in done.document["error"]["title"]
    assert "llama" in done.err


def test_bits_are_for_twins(cockpit: Cockpit) -> None:
    assert cockpit("check", "nano", "--real", "--bits", "4").code == 2
