"""Model and data are known by what they hold."""

from __future__ import annotations

import shutil
from pathlib import Path

from cockpit.system import identity
from tests.system.model_folders import write_model


def test_a_model_is_the_same_under_another_name_and_another_with_other_weights(
    tmp_path: Path,
) -> None:
    model = write_model(tmp_path / "model")
    before = identity.model_sha256(model)
    assert identity.model_sha256(Path(shutil.copytree(model, tmp_path / "moved"))) == before
    (weights, *_) = model.glob("*.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert identity.model_sha256(model) != before
    content[-1] ^= 1
    weights.write_bytes(content)
    assert identity.model_sha256(model) == before
    config = model / "config.json"
    config.write_text(config.read_text().replace("{", '{"rope_theta": 7,', 1))
    assert identity.model_sha256(model) != before


def test_gigabytes_are_known_by_a_few_places(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    (weights, *_) = model.glob("*.safetensors")
    with weights.open("ab") as file:
        file.truncate(40 << 30)  # sparse: reading it all would take a minute
    before = identity.model_sha256(model)
    with weights.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert identity.model_sha256(model) != before


def test_data_is_known_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("{}\n")
    before = identity.data_sha256s(tmp_path)
    assert list(before) == ["train.jsonl"]
    (tmp_path / "valid.jsonl").write_text("{}\n")
    (tmp_path / "notes.txt").write_text("not data")
    after = identity.data_sha256s(tmp_path)
    assert list(after) == ["train.jsonl", "valid.jsonl"]
    assert after["train.jsonl"] == before["train.jsonl"]
