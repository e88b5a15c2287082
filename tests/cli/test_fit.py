"""``cockpit fit``: every figure in it is a forecast that ``predict`` gives as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cockpit

PROFILE = 'title = "Small"\nbackend = "cpu"\nram = "1 GB"\nsystem_reserved = "600 MB"\n'
PLAN = ["--model", "nano", "--max-seq-length", "257", "--batch-size", "8"]


@pytest.fixture(autouse=True)
def small(home: Path) -> None:
    (home / "profiles").mkdir(parents=True)
    (home / "profiles" / "small.toml").write_text(PROFILE)


def test_largest_values_are_inside_the_budget_and_the_next_is_not(cockpit: Cockpit) -> None:
    found = cockpit("fit", *PLAN, "--profile", "small", "--json").document
    assert found["plan"]["fits"] is True and found["cheapest"] is None
    batch = found["largest"]["batch_size"]
    assert batch["value"] > 8 and batch["forecast"]["fits"]
    flags = [*PLAN[:-1], batch["value"] + 1, "--profile", "small", "--json"]
    over = cockpit("predict", *flags).document
    assert over["fits"] is False
    assert found["largest"]["max_seq_length"]["value"] % 32 == 1
    assert found["largest"]["num_layers"]["at_limit"]
    assert all(lever["bytes_added"] for lever in found["levers"])


def test_the_cheapest_change_fits_when_asked_for(cockpit: Cockpit) -> None:
    plan = [*PLAN[:-1], "64"]
    said = cockpit("fit", *plan, "--profile", "small")
    assert said.code == 0 and "does not fit" in said.out
    lines = said.out.splitlines()
    (flags,) = [line.split() for line in lines if line.startswith("  --")]
    asked = ["--model", "nano", "--max-seq-length", "257", *flags]
    found = cockpit("predict", *asked, "--profile", "small", "--json").document
    assert found["fits"] is True
    for word in ("LARGEST", "LEVER", "num_layers", "grad_checkpoint on"):
        assert word in said.out
