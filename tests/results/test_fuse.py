"""A fused model is the tuned one: mlx-lm loads it, and its answers are compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest

from cockpit.embedded import nano_path
from cockpit.errors import CockpitError
from cockpit.results import fuse, fused_folder, verify
from cockpit.results.fused_folder import MARKER, FusedFolder
from cockpit.results.kept import in_words
from cockpit.system.run_dir import RunDir
from tests.results.conftest import Said, Train, logits, stored

TOKENS = [2, 300, 400, 500, 600, 3]


def fused(run: RunDir, output: Path, said: Said | None = None, **changes: Any) -> dict[str, Any]:
    request = {
        "run": str(run.path),
        "output": str(output),
        "force": False,
        "dequantize": False,
        "gguf": False,
    }
    return fuse.run(request | changes, said or Said())


@pytest.mark.parametrize(
    "plan",
    [
        {"lora_parameters": {"rank": 4, "keys": ["model.embed_tokens", "self_attn.q_proj"]}},
        {"fine_tune_type": "dora"},
        {"fine_tune_type": "full", "learning_rate": 1e-4},
    ],
    ids=["lora", "dora", "full"],
)
def test_it_answers_as_mlx_lm_does_with_the_adapter(
    train: Train, tmp_path: Path, plan: dict[str, Any]
) -> None:
    run = train(iters=2, test=False, **plan)
    found = fused(run, tmp_path / "made" / "here")
    check = found["check"]
    assert check["divergence"] < 1e-6 < check["adapter_divergence"]
    assert (check["same_choice"], check["tolerance"]) == (1.0, verify.TOLERANCE["float32"])
    got, _ = mlx_lm.load(found["path"])
    wanted, _ = mlx_lm.load(str(nano_path()), adapter_path=str(run.adapters))
    assert mx.allclose(logits(got, TOKENS), logits(wanted, TOKENS), atol=1e-3)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["here"]


def test_a_packed_model_stays_packed_and_the_loss_by_it_is_told(
    train: Train, tmp_path: Path
) -> None:
    run = train(model=str(stored(tmp_path / "packed", bits=4)), iters=4, test=False)
    packed = fused(run, tmp_path / "packed-fused")
    assert packed["dtype"] == "4-bit"
    config = json.loads((tmp_path / "packed-fused" / "config.json").read_text())
    assert config["quantization"] == {"group_size": 32, "bits": 4}
    assert packed["check"]["tolerance"] is None and 0.5 < packed["check"]["kept"] < 0.99

    whole = fused(run, tmp_path / "whole", dequantize=True)
    assert whole["dtype"] == "float32" and whole["size_bytes"] > 3 * packed["size_bytes"]
    assert "quantization" not in json.loads((tmp_path / "whole" / "config.json").read_text())
    assert whole["check"]["divergence"] < 1e-6 < packed["check"]["divergence"]
    assert whole["check"]["kept"] > 0.999 and not whole["notes"]


def test_half_precision_is_kept_and_compared_as_such(train: Train, tmp_path: Path) -> None:
    run = train(model=str(stored(tmp_path / "half", dtype=mx.bfloat16)), iters=2, test=False)
    found = fused(run, tmp_path / "fused")
    assert found["dtype"] == "bfloat16"
    assert 0 < found["check"]["divergence"] < found["check"]["tolerance"]
    weights = mx.load(str(tmp_path / "fused" / "model.safetensors"))
    assert {str(value.dtype) for value in weights.values()} == {"mlx.core.bfloat16"}


def test_packing_that_undoes_the_training_is_told() -> None:
    base, tuned = mx.array([[0.0, 1.0]]), mx.array([[1.0, 0.0]])
    undone = verify.compare([tuned], [base], [base], None)
    assert undone.spoiled and undone.passed and undone.same_choice == 0.0
    assert "--dequantize" in fuse._doubts(undone)[0]
    kept = verify.compare([tuned], [tuned], [base], None)
    assert not kept.spoiled and kept.divergence == 0.0
    assert (undone.kept, kept.kept) == (0.0, 1.0)
    half = verify.compare([tuned], [(base + tuned) / 2], [base], None)
    assert half.spoiled and half.kept == pytest.approx(0.5)
    assert not verify.compare([tuned], [base], [base], "float32").passed
    untrained = verify.compare([base], [base], [base], None)
    assert untrained.kept is None and not untrained.spoiled and not fuse._doubts(untrained)
    assert "nothing to keep" in in_words(None, packed=True)
    assert in_words(0.86, packed=True) == "keeps 86% of what was learned: packing it again " + (
        "loses the rest"
    )
    assert in_words(-0.1, packed=False) == "keeps 0% of what was learned"


def test_a_fused_model_that_answers_otherwise_is_not_kept(
    trained: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mlx-lm's fusing gone wrong: the adapters' share is lost."""
    from mlx_lm.tuner.lora import LoRALinear

    monkeypatch.setattr(LoRALinear, "fuse", lambda self, dequantize=False: self.linear)
    with pytest.raises(CockpitError) as error:
        fused(trained, tmp_path / "wrong")
    assert error.value.exit_code == 1 and "does not answer" in error.value.title
    assert not list(tmp_path.iterdir())


def test_the_card_tells_what_it_is_and_nothing_that_it_names_is_obeyed(
    train: Train, small_data: Path, tmp_path: Path
) -> None:
    data = tmp_path / "who <script> | `x`"
    shutil.copytree(small_data, data)
    run = train(data=str(data), iters=4, name="a|b *c* [d](e) \x1b[31m", test=False)
    found = fused(run, tmp_path / "fused", checkpoint="2")
    card = (tmp_path / "fused" / "README.md").read_text()
    title = next(line for line in card.splitlines() if line.startswith("# "))
    assert title == r"# a\|b \*c\* \[d\]\(e\) " + "\ufffd" + r"\[31m"
    state = json.loads((run.checkpoints / "0000002" / "state.json").read_text())
    for known in (*state["data_files"].values(), state["data_sha256"], state["model_sha256"]):
        assert known in card
    assert "after update 2" in card and "| 2 |" in card and "| 4 |" not in card
    assert "\x1b" not in card and str(tmp_path) not in card
    assert 'data = "who <script> | `x`"' in card
    marker = json.loads((tmp_path / "fused" / MARKER).read_text())
    assert marker["check"] == found["check"]


def test_an_existing_folder_is_only_replaced_if_it_was_made_here_and_with_force(
    tmp_path: Path,
) -> None:
    model, run, output = tmp_path / "model", tmp_path / "run", tmp_path / "out"
    model.mkdir()

    def check(*, force: bool, path: Path = output) -> None:
        FusedFolder(path, force=force).check(model, run)

    check(force=False)
    output.mkdir()
    check(force=False)
    (output / "thesis.txt").write_text("years")
    for force in (False, True):
        with pytest.raises(CockpitError, match="there already"):
            check(force=force)
    (output / MARKER).write_text("{}")
    with pytest.raises(CockpitError, match="folder exists"):
        check(force=False)
    check(force=True)
    for over in (model, tmp_path):
        with pytest.raises(CockpitError, match="made from"):
            check(force=True, path=over)

    with FusedFolder(output, force=True) as folder:
        (folder.partial / "new").write_text("new")
        folder.commit()
    assert [path.name for path in output.iterdir()] == ["new"]
    assert {path.name for path in tmp_path.iterdir()} == {"model", "out"}


def test_what_was_half_written_is_gone_whoever_wrote_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), FusedFolder(tmp_path / "out", force=False):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    abandoned = tmp_path / ".out.999999999.partial"
    abandoned.mkdir()
    with FusedFolder(tmp_path / "out", force=False):
        assert not abandoned.exists()


def test_no_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with FusedFolder(tmp_path / "out", force=False) as folder:
        with pytest.raises(CockpitError) as error:
            folder.need(10**18)
        assert error.value.exit_code == 2 and "no room" in error.value.title
    full = fused_folder.unwritable(OSError(28, "No space left on device", "w"), tmp_path)
    assert full.title == "The disk is full" and full.exit_code == 2
