"""Records survive the trip to a file and back, whoever wrote them and whoever reads."""

from __future__ import annotations

import json
import math

import pytest

from cockpit.core import events as ev
from cockpit.core.samples import MemorySample

UPDATE = ev.Updated(
    t=5.0,
    update=3,
    epoch=0.5,
    loss=1.25,
    learning_rate=1e-5,
    tokens=64,
    trained_tokens=192,
    seconds=0.5,
    tokens_per_second=128.0,
    active_bytes=1,
    peak_bytes=2,
    cache_bytes=3,
)
RECORDS: list[ev.Event] = [
    ev.Started(attempt=1, pid=7, pid_created=1.5, updates=10, device="cpu"),
    ev.PhaseChanged(phase="loading", detail="a\nb"),
    ev.ModelLoaded(
        parameters=10,
        trainable_parameters=1,
        layers=2,
        train_examples=3,
        valid_examples=0,
    ),
    UPDATE,
    ev.Validated(update=0, loss=2.0, seconds=1.0, tokens=10),
    ev.Tested(update=3, loss=2.0, seconds=1.0),
    ev.Checkpointed(update=3, path="checkpoints/0000003", seconds=0.1, size_bytes=9),
    ev.Sampled(update=0, prompt="Hi", text="\u202e\x1b[2J ünï"),
    ev.Acknowledged(id="x", action="pause", accepted=True),
    ev.Paused(update=3),
    ev.Resumed(update=3),
    ev.Note(message="hm", level="warning"),
    ev.Ended(status="completed", update=3),
    ev.SupervisorStarted(pid=8, pid_created=1.0),
    ev.TrainerStarted(attempt=1, pid=7, pid_created=1.5),
    ev.MemorySampled(sample=MemorySample(ram_total_bytes=1 << 34)),
    ev.TrainerExited(attempt=1, exit_code=-9, signal="SIGKILL"),
    ev.SupervisorEnded(),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.type)
def test_a_record_reads_back_from_its_line(record: ev.Event) -> None:
    line = record.line()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)["v"] == ev.VERSION
    assert ev.parse_event(line) == record


def test_a_command_reads_back_from_its_line() -> None:
    command = ev.Command(id="1", action="set_learning_rate", value=1e-6, sender="me")
    assert ev.parse_command(command.line()) == command


def test_what_is_unknown_is_left_out_not_zero() -> None:
    assert b"grad_norm" not in UPDATE.line()
    sample = json.loads(ev.MemorySampled(sample=MemorySample()).line())["sample"]
    assert sample == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_survives_the_trip(value: float) -> None:
    """A diverged run is told as it was, in JSON that any reader takes."""
    line = UPDATE.model_copy(update={"loss": value}).line()
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    read = ev.parse_event(line)
    assert isinstance(read, ev.Updated)
    assert read.loss == value or (math.isnan(read.loss) and math.isnan(value))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"v":1}',
        b'{"v":1,"type":"warp","t":1}',
        b'{"v":1,"type":"update","t":1}',
        UPDATE.line()[:-10],
    ],
)
def test_a_damaged_or_unknown_line_is_skipped(line: bytes) -> None:
    assert ev.parse_event(line) is None
    assert ev.parse_command(line) is None


def test_fields_of_a_newer_version_are_ignored() -> None:
    newer = json.loads(UPDATE.line()) | {"v": 2, "temperature": 40}
    assert isinstance(ev.parse_event(json.dumps(newer).encode()), ev.Updated)


def test_an_unknown_command_is_not_obeyed() -> None:
    assert ev.parse_command(b'{"id":"1","action":"self_destruct"}') is None


def test_a_record_carries_the_time_it_was_made() -> None:
    first, second = ev.Note(message="a"), ev.Note(message="b")
    assert 0 < first.t <= second.t
