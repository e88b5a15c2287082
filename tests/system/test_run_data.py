"""Every update of a run as a row: what later attempts made again is there once."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

from cockpit.core import events as ev
from cockpit.system import best_validation, jsonl, run_data, run_export
from cockpit.system.run_dir import RunDir
from tests.system.recorded_runs import completed, recorded, started, updated, validated


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))


def resumed_run() -> RunDir:
    """Four updates, of which the second attempt makes the last two again, and a third starts."""
    first = [started(), validated(0, 9.0), *(updated(u, 10 - u) for u in (1, 2))]
    first += [validated(2, 7.5), updated(3, 99.0), validated(3, 0.1), updated(4, 99.0)]
    second = [started(2, update=2), updated(3, 6.0), updated(4, 5.0), validated(4, 5.5)]
    return recorded(first, second, [started(3, update=4)])


def test_rows_are_the_runs_own_line() -> None:
    rows = list(run_data.rows(resumed_run()))
    assert [(r.update, r.train_loss, r.validation_loss, r.attempt) for r in rows] == [
        (0, None, 9.0, 1),
        (1, 9.0, None, 1),
        (2, 8.0, 7.5, 1),
        (3, 6.0, None, 2),
        (4, 5.0, 5.5, 2),
    ]
    assert rows[1].peak_bytes == 3_000 and rows[1].tokens_per_second == 20.0


def test_a_run_that_went_back_twice_keeps_nothing_it_left() -> None:
    run = recorded(
        [started(), updated(1), updated(2), updated(3)],
        [started(2, update=2), updated(3), updated(4)],
        [started(3, update=1), updated(2, 0.5)],
    )
    assert [(r.update, r.attempt) for r in run_data.rows(run)] == [(1, 1), (2, 3)]


def test_damage_is_passed_over() -> None:
    run = resumed_run()
    path = run.attempt(1).trainer_events
    path.write_bytes(b"\x00\xff\n{}\n" + path.read_bytes() + b'{"type":"upda')
    run.attempt(2).trainer_events.unlink()
    assert [row.update for row in run_data.rows(run)] == [0, 1, 2, 3, 4]


def test_the_best_validation_is_that_of_the_runs_own_line_and_follows_it() -> None:
    run = resumed_run()
    assert best_validation.of(run) == 5.5
    jsonl.append(run.attempt(3).trainer_events, validated(6, 4.25).line())
    jsonl.append(run.attempt(3).trainer_events, validated(7, math.nan).line())
    assert best_validation.of(run) == 4.25
    assert best_validation.of(recorded([started(), updated(1)])) is None


def test_a_csv_has_a_line_an_update_and_says_whose_it_is() -> None:
    first, second = resumed_run(), recorded([started(), updated(1, math.nan)], name="b")
    text = "".join(run_export.as_csv([first, second]))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["run"] for row in rows] == [first.name] * 5 + [second.name]
    assert rows[0]["train_loss"] == "" and rows[0]["validation_loss"] == "9.0"
    assert rows[2]["learning_rate"] == "0.0001" and rows[2]["grad_norm"] == "0.5"
    assert math.isnan(float(rows[5]["train_loss"]))


def test_no_cell_is_a_formula_or_drives_a_terminal() -> None:
    run = recorded([started(), updated(1)])
    renamed = run.path.rename(run.path.with_name("=cmd\x1b[2J\u202e,\n"))
    text = "".join(run_export.as_csv([RunDir(renamed)]))
    assert text.splitlines()[1].startswith('"\'=cmd\ufffd[2J\ufffd, ",1,1.0,')


def test_a_json_has_plan_and_summary_and_is_json_even_of_a_loss_that_is_no_number() -> None:
    run = recorded([started(), updated(1, math.inf), updated(2, math.nan), completed(2)])
    document = json.loads("".join(run_export.as_json([run, resumed_run()])), parse_constant=refuse)
    first, second = document["runs"]
    assert first["run"] == run.name and first["status"] == "completed"
    assert first["plan"]["model"] == "m" and first["measured_peak_bytes"] == 3_000
    assert [row["train_loss"] for row in first["history"]] == ["Infinity", "NaN"]
    assert second["best_validation"] == {"update": 4, "loss": 5.5}
    assert len(second["history"]) == 5


def test_a_run_without_a_plan_or_a_single_event_is_exported_as_what_it_is() -> None:
    run = recorded([])
    run.plan_path.write_text("= nonsense")
    assert json.loads("".join(run_export.as_json([run])))["runs"][0]["plan"] is None
    assert len("".join(run_export.as_csv([run])).splitlines()) == 1


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_a_piece_is_small_however_long_the_run() -> None:
    events: list[ev.TrainerEvent] = [started(), *(updated(u) for u in range(1, 3001))]
    pieces = list(run_export.as_csv([recorded(events)]))
    assert sum(piece.count("\n") for piece in pieces) == 3001
    assert max(piece.count("\n") for piece in pieces) <= 1001
