"""Whatever is wrong with a data set is found, named once, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.core.plan import RunPlan
from cockpit.data.examine import examine
from cockpit.data.findings import kinds
from cockpit.data.report import Report
from cockpit.data.tokens import ModelTokens
from cockpit.errors import CockpitError
from cockpit.system import dataset
from tests.data.folders import CASES, GOOD, VALID, Case, line, make, train

Tokens = Callable[..., ModelTokens]

# Said by the command line only, or of every data set without a model.
_ALWAYS = {"no-model"}


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings} - _ALWAYS


def examined(folder: Path, case: Case, tokens: Tokens) -> Report:
    plan = RunPlan.model_validate({"model": "nano", "data": str(folder)} | case.plan)
    encoder = tokens(case.model, plan.mask_prompt) if case.model else None
    return examine(folder, plan, encoder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exactly_what_is_wrong_is_found(case: Case, tmp_path: Path, tokens: Tokens) -> None:
    report = examined(make(tmp_path / "data", case.files), case, tokens)
    assert codes(report) == set(case.codes)
    assert report.trainable == all(kinds()[code].severity != "error" for code in case.codes)


def test_sound_data_has_no_findings(tmp_path: Path, tokens: Tokens) -> None:
    folder = make(
        tmp_path / "data",
        train(
            **{
                "test.jsonl": line(
                    GOOD[0]
                    | {
                        "messages": [
                            {"role": "user", "content": "new"},
                            {"role": "assistant", "content": "one"},
                        ]
                    }
                )
            }
        ),
    )
    assert codes(examined(folder, Case("sound", {}, ()), tokens)) == set()
    assert codes(examined(folder, Case("sound", {}, (), model="nano"), tokens)) == set()


def test_enough_cases_and_every_kind_of_finding_has_one() -> None:
    assert len(CASES) >= 40
    shown = {code for case in CASES for code in case.codes}
    # Shown by tests of their own, below, in test_convert.py and in test_tokens.py.
    elsewhere = {"unreadable", "line-too-long", "parquet-needs-pyarrow", "not-tokenizable"}
    assert set(kinds()) - shown - elsewhere - _ALWAYS == set()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_preflight_refuses_is_an_error_here_too(
    case: Case, tmp_path: Path, tokens: Tokens
) -> None:
    folder = make(tmp_path / "data", case.files)
    if dataset.inspect(folder).errors:
        assert not examined(folder, case, tokens).trainable


def test_a_finding_names_the_first_lines_and_counts_all(tmp_path: Path, tokens: Tokens) -> None:
    folder = make(tmp_path / "data", train(*[b"{broken\n"] * 9))
    (finding,) = [
        f for f in examined(folder, Case("", {}, ()), tokens).findings if f.code == "invalid-json"
    ]
    assert finding.path == folder / "train.jsonl"
    assert finding.lines == (61, 62, 63, 64, 65)
    assert (finding.count, finding.column) == (9, 2)
    assert finding.kind.cure


def test_a_line_of_a_hundred_megabytes(tmp_path: Path, tokens: Tokens) -> None:
    folder = make(tmp_path / "data", {"valid.jsonl": VALID})
    with (folder / "train.jsonl").open("wb") as file:
        for row in GOOD:
            file.write(line(row))
        file.write(b'{"text": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + line({"messages": []}))
    report = examined(folder, Case("", {}, ()), tokens)
    found = {finding.code: finding.lines for finding in report.findings}
    assert found["line-too-long"] == (61,)
    assert found["messages-empty"] == (62,)


def test_a_folder_that_may_not_be_read(tmp_path: Path, tokens: Tokens) -> None:
    folder = make(tmp_path / "data", train())
    folder.chmod(0)
    as_root = os.geteuid() == 0
    try:
        if as_root:
            os.seteuid(65534)
        report = examined(folder, Case("", {}, ()), tokens)
    finally:
        if as_root:
            os.seteuid(0)
        folder.chmod(0o700)
    assert codes(report) == {"unreadable"}


@pytest.mark.parametrize("name", ["train.jsonl", "."])
def test_links_that_lead_in_a_circle(tmp_path: Path, tokens: Tokens, name: str) -> None:
    folder = tmp_path / "data"
    if name == ".":
        folder.symlink_to(tmp_path / "back")
        (tmp_path / "back").symlink_to(folder)
    else:
        make(folder, {"valid.jsonl": VALID})
        (folder / name).symlink_to(folder / name)
    report = examined(folder, Case("", {}, ()), tokens)
    assert "unreadable" in codes(report)
    assert not report.trainable


def test_a_folder_called_train_jsonl(tmp_path: Path, tokens: Tokens) -> None:
    folder = make(tmp_path / "data", {"valid.jsonl": VALID})
    (folder / "train.jsonl").mkdir()
    assert "unreadable" in codes(examined(folder, Case("", {}, ()), tokens))


def test_nothing_at_that_place_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(CockpitError, match="no such data folder"):
        examine(tmp_path / "nowhere", RunPlan(model="nano", data="x"))
