"""What only the machine knows of a run: whether its processes live, and what they left if not."""

from __future__ import annotations

import time

import psutil

from cockpit.core.diagnosis import diagnose
from cockpit.core.events import Diagnosis
from cockpit.core.run_state import RunState, begin_attempt, with_liveness, with_recovery
from cockpit.system import log_tail, process, recovering, run_lock
from cockpit.system.process import Identity
from cockpit.system.run_dir import RunDir

# How long a new run may go unlaunched; from then on its launcher holds a lock.
STARTING_SECONDS = 1.0
# By then a trainer has said who it is, or never will: the process table is not asked any more.
UNRECORDED_SECONDS = 60.0

RESTARTED = Diagnosis(
    kind="restart",
    title="The machine restarted while the run was going on",
    remedy="The last complete checkpoint is intact: resume from it.",
)


def supervisor_is_alive(run: RunDir, state: RunState) -> bool:
    """By identity, or by its lock before it has written who it is."""
    return process.is_alive(state.supervisor) or run_lock.is_held(run)


def is_dead(run: RunDir, state: RunState) -> bool:
    """Whether ``state`` claims a life that none of the run's processes has."""
    if not state.active or process.is_alive(state.trainer) or supervisor_is_alive(run, state):
        return False
    if _is_being_launched(run) or (state.supervisor is None and _is_new(run)):
        return False
    return _unrecorded_trainer(run, state) is None


def see_what_follows(run: RunDir, state: RunState) -> None:
    """An attempt that ended is not the run's end where another, or a recovery, is on its way."""
    with_recovery(state, False)
    _begin_newest(run, state)
    if not state.active and run_lock.is_held(run) and recovering.goes_on_by_itself(run, state):
        with_recovery(state, True)


def _begin_newest(run: RunDir, state: RunState) -> None:
    """An attempt that nobody has written about yet is starting if something of it lives."""
    attempts = run.attempts()
    if state.active or not attempts or attempts[-1].number <= state.attempt:
        return
    on_its_way = _is_being_launched(run) or run_lock.is_held(run)
    if on_its_way or _unrecorded_trainer(run, state) is not None:
        begin_attempt(state, attempts[-1].number)


def _unrecorded_trainer(run: RunDir, state: RunState) -> Identity | None:
    """A trainer whose supervisor died before it could write who that is."""
    attempts = run.attempts()
    if not attempts or (attempts[-1].number <= state.attempt and state.trainer is not None):
        return None
    try:
        made = attempts[-1].path.stat().st_mtime
    except OSError:
        return None
    if abs(time.time() - made) > UNRECORDED_SECONDS:
        return None
    return process.find_by_arguments(str(run.path), str(attempts[-1].number))


def bury(run: RunDir, state: RunState) -> RunState:
    """The state of a run whose processes are dead, with what can be known about why."""
    state.diagnosis = state.diagnosis or _post_mortem(run, state)
    return with_liveness(state, trainer_alive=False, supervisor_alive=False)


def restarted(who: Identity | None, last_event_at: float | None) -> bool:
    """Whether the machine restarted since ``who`` lived; ``last_event_at`` is its last sign."""
    if process.names_a_boot(who):
        return process.is_of_an_earlier_boot(who)
    # No boot is on record, and the boot time moves with the clock: it is all there is.
    return last_event_at is not None and psutil.boot_time() > last_event_at


def _is_being_launched(run: RunDir) -> bool:
    return run_lock.is_held(run, run_lock.LAUNCH_LOCK_NAME)


def _is_new(run: RunDir) -> bool:
    """Just created, and nothing has been complained about."""
    attempts = run.attempts()
    if not attempts or log_tail.read(run.supervisor_log, 1):
        return False
    try:
        return abs(time.time() - attempts[-1].path.stat().st_mtime) < STARTING_SECONDS
    except OSError:
        return False


def _post_mortem(run: RunDir, state: RunState) -> Diagnosis:
    if state.supervisor is None and state.trainer is None:
        said = log_tail.read(run.supervisor_log, 5)
        return Diagnosis(
            kind="not_started",
            title="The supervisor died before it could start the training"
            if said
            else "The training was never started",
            evidence=tuple(said),
            remedy="Start it again.",
        )
    if restarted(state.trainer or state.supervisor, state.last_event_at):
        return RESTARTED
    attempts = run.attempts()
    return diagnose(
        log_tail=log_tail.read(attempts[-1].log, 50) if attempts else (),
        samples=[sample for _, sample in state.memory],
    )
