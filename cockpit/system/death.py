"""Why a run is not going on, whoever said so: its last word, the supervisor, or the guard."""

from __future__ import annotations

from cockpit.core.diagnosis import recognise
from cockpit.core.events import Diagnosis, Ended
from cockpit.core.ladder import GUARDED
from cockpit.core.run_state import RunState
from cockpit.system import log_tail
from cockpit.system.run_dir import RunDir

LOG_LINES = 50
# How the trainer calls a failure that it has no name for: the text says more.
_UNNAMED = (None, "error")


def diagnosis_of(run: RunDir, state: RunState) -> Diagnosis | None:
    """What ended the newest attempt; None of a run that goes on, is complete or was stopped."""
    if state.active or state.status == "completed":
        return None
    if state.status == "stopped":
        return _of_guard(state)
    if state.end is not None:
        return _of_last_word(run, state.end)
    return state.diagnosis or Diagnosis(kind="unknown", title="The run failed")


def _of_guard(state: RunState) -> Diagnosis | None:
    guard = state.guard
    if guard is None or guard.level != "stop":
        return None
    return Diagnosis(
        kind=GUARDED,
        title=guard.title,
        evidence=guard.evidence,
        remedy="Nothing was lost: go on with less memory.",
    )


def _of_last_word(run: RunDir, end: Ended) -> Diagnosis:
    """MLX reports a lack of memory as a RuntimeError, so the text of an error is weighed."""
    said = tuple(line for text in (end.title, end.message) for line in text.splitlines() if line)
    found = None
    if end.kind in _UNNAMED:
        attempts = run.attempts()
        log = log_tail.read(attempts[-1].log, LOG_LINES) if attempts else []
        found = recognise(said) or recognise(log)
    if found is None:
        title = end.title or "The trainer failed"
        return Diagnosis(
            kind=end.kind or "unknown", title=title, evidence=said[1:], remedy=end.remedy
        )
    signature, line = found
    return Diagnosis(
        kind=signature.kind,
        title=signature.title,
        evidence=tuple(dict.fromkeys((line, *said))),
        remedy=signature.remedy,
    )
