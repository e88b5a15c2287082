"""``cockpit models``: judged one by one, remembered on disk.

The whole catalogue takes minutes to trace, so here it is cut to a few small models.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.check import store
from tests.check.test_store import report
from tests.cli.conftest import Cockpit

FEW = """
from cockpit import catalogue
every = catalogue.models()
few = [m for m in every if m.slug in ("smollm2-135m", "llama-3.1-8b")]
assert len(few) == 2
catalogue.models = lambda: tuple(few)
"""


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(FEW)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).parents[2]}")


def test_verdicts_are_computed_once_and_kept(cockpit: Cockpit, home: Path) -> None:
    first = cockpit("models", "--profile", "m2-air-8", "--bits", 16, "--json")
    rows = {row["name"]: row for row in first.document["models"]}
    assert next(iter(rows)) == "nano" and rows["nano"]["here"]
    assert rows["SmolLM2 135M"]["fits"] == "fits"
    assert rows["Llama 3.1 8B"]["fits"] == "does not fit"
    assert all(row["trains"] for row in rows.values())
    assert "traced: SmolLM2 135M" in first.err
    assert (home / "cache" / "forecasts.json").is_file()
    assert {row["checked"] for row in rows.values()} == {None}
    store.save(report("smollm2-135m", fails="resume"))
    again = cockpit("models", "--profile", "m2-air-8", "--bits", 16)
    assert "fails: resume" in again.out and "not yet" in again.out
    assert again.code == 0 and "traced:" not in again.err
    assert "SmolLM2 135M" in again.out and "does not fit" in again.out
    assert "unvalidated" in again.out
    # Another machine of the same kind has another budget, and the same forecasts.
    large = cockpit("models", "--profile", "m1-pro-16", "--bits", 16)
    assert "traced: SmolLM2 135M" not in large.err
