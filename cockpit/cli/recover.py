"""``cockpit recover``: what ended a run, its ways on with their prices, and taking one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cockpit.cli import forecasting, output, recover_document, train
from cockpit.cli.plan_arguments import overrides_from_arguments
from cockpit.core.format import gigabytes, need_of
from cockpit.core.ladder import Ladder, Rung
from cockpit.errors import CockpitError
from cockpit.memory import recovery
from cockpit.memory.oracle import Oracle, limits_of
from cockpit.memory.situation import Situation, examine
from cockpit.system import hardware, run_dir

# The exit code where the ladder has no way that fits: the request cannot be met as it is.
NOTHING_FITS = 2
ANOTHER_WAY = "\nAnother way: --rung KIND --yes"


@dataclass(frozen=True, slots=True)
class Choice:
    """The way that would be taken: a rung of the ladder, ``own`` fields, or None as it was.

    Without a ladder there is nothing to choose from: less memory does not help.
    """

    rung: Rung | None
    ladder: Ladder | None = None
    own: bool = False

    @property
    def fits_nowhere(self) -> bool:
        return self.rung is None and self.ladder is not None


def recover(arguments: argparse.Namespace) -> int:
    run = run_dir.find(arguments.which)
    situation = examine(run)
    changes = overrides_from_arguments(arguments)
    if arguments.json and not arguments.yes:
        choice = _chosen(situation, arguments, changes, say=lambda _: None)
        output.print_json(
            recover_document.of(situation, choice.ladder, choice.rung, own=choice.own)
        )
        return NOTHING_FITS if choice.fits_nowhere else 0
    for line in what_happened(situation):
        output.say(line)
    choice = _chosen(situation, arguments, changes, say=output.say)
    if choice.fits_nowhere:
        raise _nothing_fits(choice.ladder)
    if not arguments.yes and not _agreed(choice.rung, named=bool(arguments.rung)):
        output.say("Nothing was changed.")
        return 1
    budget_bytes = choice.ladder.budget_bytes if choice.ladder is not None else None
    recovery.take(situation, choice.rung, budget_bytes=budget_bytes)
    return train.follow_or_leave(run, arguments)


def what_happened(situation: Situation) -> Iterator[str]:
    """The death with its evidence, and where the run would go on from."""
    diagnosis = situation.diagnosis
    yield f"{situation.run.name}, attempt {situation.attempt}: {diagnosis.title}"
    yield from (f"  {line}" for line in diagnosis.evidence)
    if situation.cure == "other" and diagnosis.remedy:
        yield f"  -> {diagnosis.remedy}"
    if situation.checkpoint is None:
        yield f"starts from scratch: {situation.scratch_reason}"
    else:
        lost = situation.lost_updates
        again = "no update is lost" if not lost else f"{_count(lost, 'update')} made again"
        yield f"goes on after update {situation.from_update} of {situation.plan.updates}: {again}"
    for damage in situation.resume.passed_over if situation.resume else ():
        yield f"passed over: {damage}"


def _chosen(
    situation: Situation,
    arguments: argparse.Namespace,
    changes: dict[str, Any],
    *,
    say: Callable[[str], object],
) -> Choice:
    """What would be taken; the ways on are said while they are looked at."""
    if situation.cure == "other" and not changes:
        if arguments.rung:
            raise CockpitError(
                "There is no ladder for this end",
                f"{situation.diagnosis.title}: less memory does not help",
                situation.diagnosis.remedy,
            )
        return Choice(None)
    with Oracle(hardware.this_machine(), adapted_layers=situation.adapted_layers) as oracle:
        limits = limits_of(situation.plan, use_data=True)
        with forecasting.patience("forecasting each way on ..."):
            ladder = recovery.ladder(situation, oracle.price, limits, oracle.lengths)
        for line in _table(ladder):
            say(line)
        rung = _named(ladder, arguments.rung) if arguments.rung else ladder.chosen
        if not changes:
            return Choice(rung, ladder)
        base = rung.changes if rung is not None and arguments.rung else {}
        rung = recovery.custom(
            situation, base | changes, oracle.price, ladder.budget_bytes, limits, oracle.lengths
        )
        say("\nyour own:")
        for line in _described(rung, ladder.budget_bytes, marked=False):
            say(line)
        return Choice(rung, ladder, own=True)


def _nothing_fits(ladder: Ladder | None) -> CockpitError:
    rungs, reason = (ladder.rungs, ladder.budget_reason) if ladder is not None else ((), "")
    return CockpitError(
        "No way on is expected to fit",
        "\n".join(f"{rung.title}: {rung.why_not}" for rung in rungs) or reason,
        "Choose one all the same with --rung or --set, free memory, or take a smaller or a "
        "4-bit model.",
        exit_code=NOTHING_FITS,
    )


def _named(ladder: Ladder, kind: str) -> Rung:
    rung = ladder.rung(kind)
    if rung is None:
        known = ", ".join(rung.kind for rung in ladder.rungs)
        raise CockpitError("There is no such rung", kind, f"The rungs of this ladder are: {known}.")
    if not rung.changes:
        raise CockpitError("That rung cannot be taken", rung.why_not, "Choose another one.")
    return rung


def _table(ladder: Ladder) -> Iterator[str]:
    room = gigabytes(ladder.budget_bytes)
    yield f"\nways on, in {room}" + (f" ({ladder.budget_reason})" if ladder.budget_reason else "")
    for place, rung in enumerate(ladder.rungs):
        yield from _described(rung, ladder.budget_bytes, marked=place == ladder.preselected)


def _described(rung: Rung, budget_bytes: int | None, *, marked: bool) -> Iterator[str]:
    """``> batch_size  Smaller micro-batches: 4 x 1 -> 2 x 2   1.20 GB of 1.50 GB  lossless``."""
    need = rung.forecast.needed_bytes if rung.forecast else None
    words = [need_of(need, budget_bytes)] if rung.changes else []
    words += ["lossless"] if rung.lossless and rung.changes else []
    words += ["below the plan's floor"] if rung.below_floor else []
    words += ["not expected to fit"] if rung.fits is False and rung.offered else []
    yield f"{'>' if marked else ' '} {rung.kind:<22} {rung.title:<44} {'  '.join(words)}".rstrip()
    if rung.why_not:
        yield f"    why not: {rung.why_not}"
    else:
        yield from (f"    {consequence}" for consequence in rung.consequences)


def _agreed(rung: Rung | None, *, named: bool) -> bool:
    what = "go on as it was" if rung is None else f"go on with: {rung.title}"
    if not sys.stdin.isatty():
        raise CockpitError(
            "Nobody is there to agree",
            f"would {what}",
            "Add --yes to take it." + ("" if named or rung is None else ANOTHER_WAY),
        )
    output.say("")
    print(f"{what}? [Y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"
