"""Which checkpoint of a run is meant, and whether what it was trained on is still there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cockpit.core.checkpoint_state import TrainerState
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import checkpoints, identity, models, plan_file
from cockpit.system.run_dir import RunDir
from cockpit.system.summary import digest

BEST = "best"
# A run that trains prunes old checkpoints: what was chosen may be gone when it is read.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Best:
    """The checkpoint with the lowest validation loss."""

    update: int
    loss: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A whole checkpoint, the plan that wrote it, and where its model is.

    ``best`` is the run's best checkpoint, None if none was validated. ``warnings`` are about
    what was passed over to get here. A run that trains may prune the folder at any moment.
    """

    run: RunDir
    folder: Path
    state: TrainerState
    plan: RunPlan
    model: Path
    best: Best | None
    adapter_bytes: int
    warnings: tuple[str, ...] = ()

    @property
    def update(self) -> int:
        return self.state.update

    @property
    def is_best(self) -> bool:
        return self.best is not None and self.best.update == self.update


def choose(run: RunDir, asked: str | None = None) -> Choice:
    """The checkpoint after update ``asked``, the ``best``, or without a name the newest whole one.

    Raises CockpitError if there is none, if it is damaged, and if the model is gone or is not
    the one that it was trained on.
    """
    best = best_of(run)
    folder, state, passed_over = _find(run, asked, best)
    source = f"{folder / 'state.json'}, plan"
    plan = plan_file.validate(dict(state.plan), source)
    model = _model(plan, state)
    warnings = (*(f"passed over: {damage}" for damage in passed_over), *state.doubts)
    return Choice(run, folder, state, plan, model, best, _adapter_bytes(folder), warnings)


def best_of(run: RunDir) -> Best | None:
    """Of the checkpoints that the run as it is now came by; the first where several are equal."""
    found = [
        Best(int(folder.name), loss)
        for folder in checkpoints.on_the_line(run)
        if isinstance(loss := checkpoints.raw_state(folder).get("validation_loss"), float)
    ]
    return min(found, key=lambda best: best.loss, default=None)


def _find(
    run: RunDir, asked: str | None, best: Best | None
) -> tuple[Path, TrainerState, list[str]]:
    known = {int(folder.name): folder for folder in checkpoints.complete(run)}
    if not known:
        raise _without(run)
    if asked is None:
        return _newest_whole(run)
    if asked == BEST:
        if best is None:
            raise CockpitError(
                "No checkpoint is known as the best",
                f"{run.name}: none of them was validated",
                f"Name an update: {_listed(known)}",
            )
        wanted = best.update
    elif asked.isascii() and asked.isdecimal() and len(asked) < 12:
        wanted = int(asked)
    else:
        raise CockpitError(
            "--checkpoint must be an update or 'best'", f"got {asked!r}", f"Try: {_listed(known)}"
        )
    if wanted not in known:
        raise CockpitError(
            "There is no such checkpoint",
            f"{run.name}: none after update {wanted}",
            f"There are: {_listed(known)}",
        )
    try:
        return known[wanted], checkpoints.read(known[wanted]), []
    except checkpoints.DamagedError as error:
        others = {update: folder for update, folder in known.items() if update != wanted}
        remedy = f"Take another one: {_listed(others)}" if others else "There is no other one."
        raise CockpitError("The checkpoint is damaged", str(error), remedy) from error


def _newest_whole(run: RunDir) -> tuple[Path, TrainerState, list[str]]:
    """As ``checkpoints.newest_whole``, of a run that may save and prune meanwhile."""
    for _ in range(TRIES):
        passed_over: list[str] = []
        for folder in reversed(checkpoints.complete(run)):
            try:
                return folder, checkpoints.read(folder), passed_over
            except checkpoints.DamagedError as error:
                # What was pruned under our eyes is not damaged.
                if folder.is_dir():
                    passed_over.append(str(error))
        if passed_over:
            break
    return checkpoints.newest_whole(run)


def _adapter_bytes(folder: Path) -> int:
    try:
        return (folder / "adapters.safetensors").stat().st_size
    except OSError:
        return 0


def _without(run: RunDir) -> CockpitError:
    active = digest(run).active
    return CockpitError(
        "There is no checkpoint yet",
        f"{run.checkpoints}: nothing was saved",
        f"Save one now: cockpit checkpoint {run.name}"
        if active
        else f"Train first: cockpit resume {run.name}",
    )


def _listed(known: dict[int, Path]) -> str:
    return ", ".join(str(update) for update in sorted(known)[-8:])


def _model(plan: RunPlan, state: TrainerState) -> Path:
    found = models.resolve(plan.model).path
    if found is None:
        raise CockpitError(
            "The model is not on this machine",
            f"{plan.model}: not in {models.cache_folder()}",
            f"Download it first: hf download {plan.model}",
        )
    try:
        now = identity.model_sha256(found)
    except OSError as error:
        raise CockpitError(
            "The model cannot be read",
            f"{error.filename or found}: {error.strerror}",
            "Make it readable, or put it back where it was.",
        ) from error
    if now != state.model_sha256:
        raise CockpitError(
            "The model is not the one that was trained",
            f"{found}: other weights or another configuration than at update {state.update}",
            "Put the model back that the run was trained on.",
        )
    return found
