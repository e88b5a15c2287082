"""Trying a run's result from the interface: which checkpoint, and the child that answers.

Everything here but ``Talk.stop`` and ``Talk.end`` reads files, forecasts or waits for the child:
call it in a worker thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from cockpit.core.format import loss
from cockpit.errors import CockpitError
from cockpit.results.messages import Asked, Piece, Progress, Ready, Result

if TYPE_CHECKING:
    from cockpit.results.child import Child
    from cockpit.results.choice import Choice
    from cockpit.results.messages import Message
    from cockpit.results.settings import Settings
    from cockpit.system.run_dir import RunDir

LATEST, BEST = "latest", "best"

Said = Ready | Progress | Asked | Piece | Result


@dataclass(frozen=True, slots=True)
class Offer:
    """A checkpoint that may be asked for: ``latest``, ``best`` or an update."""

    asked: str
    update: int
    validation_loss: float | None

    def __str__(self) -> str:
        about = f"update {self.update}" if self.asked in (LATEST, BEST) else ""
        measured = f"validation loss {loss(self.validation_loss)}"
        return "  ".join(part for part in (f"{self.asked:<8}", about, measured) if part)


@dataclass(frozen=True, slots=True)
class Subject:
    """The checkpoint that was meant when somebody looked, and the prompts of its plan."""

    model: str
    update: int
    is_best: bool
    prompts: tuple[str, ...]


class Talk:
    """At most one child, with the two models of one checkpoint in memory."""

    def __init__(self, run: RunDir):
        self.run = run
        self._child: Child | None = None
        self._messages: Iterator[Message] = iter(())
        # What the child has in memory; None until it says so.
        self._update: int | None = None
        # Runs beside which it was found to fit.
        self._fits_beside: set[str] = set()
        self._stopping = self._given_up = self._told = self._over = False

    def ask(
        self, prompt: str, asked: str, settings: Settings, tell: Callable[[str], object]
    ) -> Iterator[Said]:
        """Both answers as they come, from a new child if this one has another checkpoint.

        Raises CockpitError, also where the memory is not to be had; ``tell`` hears what takes
        time before that. Ends without a Result where somebody gave up.
        """
        self._stopping = self._given_up = self._told = False
        try:
            child = self._child_for(asked, tell)
            if child is not None:
                yield from self._answers(child, prompt, settings)
        except (CockpitError, OSError):
            self._drop()
            raise

    def stop(self) -> None:
        """Ends the answers that are being given; at once if that is asked again, or too early."""
        child = self._child
        answering = self._told and self._update is not None
        if child is not None and answering and not self._stopping:
            self._stopping = True
            child.tell({"stop": True})
        else:
            self._given_up = True
            if child is not None:
                child.kill()

    def end(self) -> None:
        """Ends the child at once and for good, without waiting for it."""
        self._over = True
        threading.Thread(target=self._drop).start()

    def _answers(self, child: Child, prompt: str, settings: Settings) -> Iterator[Said]:
        # What a terminal sent that is no UTF-8 is no text for a tokenizer.
        text = prompt.encode("utf-8", "replace").decode()
        self._told = True
        child.tell({"prompt": text} | asdict(settings))
        for message in self._messages:
            if isinstance(message, Ready):
                self._update = message.update
            assert isinstance(message, Ready | Progress | Asked | Piece | Result)
            yield message
            if isinstance(message, Result):
                return
        if not (self._given_up or self._over):
            raise CockpitError("The model's process has ended", "It gave no answer.", "Ask again.")
        self._drop()

    def _child_for(self, asked: str, tell: Callable[[str], object]) -> Child | None:
        """One that has the checkpoint, or will have; None if nobody wants it any more."""
        from cockpit.results.child import Child

        found = _choose(self.run, asked)
        self._make_room(found, tell)
        if self._child is not None and not (self._child.runs and self._update == found.update):
            self._drop()
        if self._child is None and not (self._given_up or self._over):
            request = {"run": str(self.run.path), "checkpoint": _word(asked)}
            self._child = Child("converse", request)
            self._messages, self._update = self._child.messages(), None
        if self._given_up or self._over:
            self._drop()
        return self._child

    def _make_room(self, found: Choice, tell: Callable[[str], object]) -> None:
        """Raises CockpitError where this may take the memory from a run that trains."""
        from cockpit.results import room

        training = room.training_now()
        names = {one.run.name for one in training}
        if names <= self._fits_beside:
            return
        # What this child holds is to be had: it goes before the memory is looked at.
        self._drop()
        tell("a run is training: forecasting whether both fit…")
        room.check(found, training, whole_examples=False)
        self._fits_beside = names

    def _drop(self) -> None:
        child, self._child, self._messages = self._child, None, iter(())
        if child is not None:
            child.kill()
            with child:
                pass


def look(run: RunDir, asked: str) -> Subject:
    """What ``asked`` means now; CockpitError if there is no such checkpoint, or no model."""
    from cockpit.results import prompts

    found = _choose(run, asked)
    name = found.plan.model.rstrip("/").rpartition("/")[2]
    offered = tuple(prompt.text for prompt in prompts.of(found.plan, []))
    return Subject(name, found.update, found.is_best, offered)


def offers(run: RunDir) -> list[Offer]:
    """Every checkpoint that can be asked for: the latest, the best, then each, newest first."""
    from cockpit.results import choice
    from cockpit.system import checkpoints

    known = [
        (int(folder.name), _measured(checkpoints.raw_state(folder).get("validation_loss")))
        for folder in reversed(checkpoints.complete(run))
    ]
    found = [Offer(LATEST, *known[0])] if known else []
    if (best := choice.best_of(run)) is not None:
        found.append(Offer(BEST, best.update, best.loss))
    return found + [Offer(str(update), update, measured) for update, measured in known]


def _measured(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _choose(run: RunDir, asked: str) -> Choice:
    from cockpit.results import choice

    return choice.choose(run, _word(asked))


def _word(asked: str) -> str | None:
    """As jobs take it."""
    return None if asked == LATEST else asked
