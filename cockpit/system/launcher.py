"""Starting a run's supervisor so that nothing that happens to this process reaches it.

A session of its own, nothing for standard input, output to a file: the terminal may close or
stall, and the launching process may be killed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from cockpit.core import events as ev
from cockpit.errors import CockpitError
from cockpit.system import history, jsonl, log_tail, process, run_lock
from cockpit.system.run_dir import RunDir

# Python and pydantic on a loaded machine; beyond it the supervisor lives and the run says how.
_ANSWER_SECONDS = 30.0
_POLL_SECONDS = 0.02


def launch(run: RunDir) -> None:
    """Starts the run's supervisor, which starts its newest attempt or adopts a living trainer.

    Returns once a trainer is under watch, or once the run's own records say why none is. Does
    nothing where a supervisor already watches the newest attempt. Raises CockpitError if the
    supervisor died without a record. Takes a Python start, about half a second.
    """
    try:
        if run_lock.is_held(run) and _newest_started(run):
            return
        with _being_launched(run):
            tail = jsonl.Tail(run.supervisor_events, _size(run))
            child = _start(run)
            _wait_for_an_answer(run, child, tail)
    except OSError as error:
        raise CockpitError(
            "The supervisor could not start",
            f"{error.filename or run.path}: {error.strerror}",
            "Free some space, or make the run's folder readable and writable.",
            exit_code=1,
        ) from error
    # Someone has to take its exit status, should it end before this process does.
    threading.Thread(target=child.wait, name="supervisor-reaper", daemon=True).start()


def replace_dead_supervisor(run: RunDir) -> bool:
    """Starts a supervisor for a run that nobody watches; True if one was needed.

    For whoever attaches: a trainer that lives is adopted, one that died unseen gets its record.
    Nothing is started for a run that is over. Raises CockpitError like ``launch``.
    """
    try:
        known = history.trainers(run)
    except OSError:
        return False
    attempts = run.attempts()
    last = known.get(attempts[-1].number) if attempts else None
    if last is None or last.exited or run_lock.is_held(run):
        return False
    if history.last_word(attempts[-1]) is not None and not process.is_alive(last.trainer):
        return False
    launch(run)
    return True


@contextlib.contextmanager
def _being_launched(run: RunDir) -> Iterator[None]:
    """Tells readers that the run is on its way up, for as long as this process lives."""
    descriptor = run_lock.acquire(run, run_lock.LAUNCH_LOCK_NAME)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _wait_for_an_answer(run: RunDir, child: subprocess.Popen[bytes], tail: jsonl.Tail) -> None:
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline:
        code = child.poll()
        if any(_settled(line) for line in tail.read()):
            return
        if code:
            raise _died(run, code)
        if code is not None:
            return
        time.sleep(_POLL_SECONDS)


def _start(run: RunDir) -> subprocess.Popen[bytes]:
    with run.supervisor_log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "cockpit.supervisor", str(run.path.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _newest_started(run: RunDir) -> bool:
    attempts = run.attempts()
    return bool(attempts) and attempts[-1].number in history.trainers(run)


def _settled(line: bytes) -> bool:
    if history.is_memory(line):
        return False
    return isinstance(ev.parse_event(line), ev.TrainerStarted | ev.TrainerExited)


def _size(run: RunDir) -> int:
    try:
        return run.supervisor_events.stat().st_size
    except OSError:
        return 0


def _died(run: RunDir, code: int) -> CockpitError:
    said = "\n".join(log_tail.read(run.supervisor_log, 5))
    return CockpitError(
        "The supervisor could not start",
        said or f"it ended with code {code} and wrote nothing",
        f"See {run.supervisor_log}",
        exit_code=1,
    )
