"""``cockpit models``: every model here and in the catalogue, with a computed verdict."""

from __future__ import annotations

import argparse
from typing import Any

from cockpit.catalogue import Bits
from cockpit.check import store
from cockpit.cli import output
from cockpit.cli.forecasting import chosen_profile
from cockpit.cli.plan_arguments import overrides_from_arguments
from cockpit.cli.predict import NO_DATA
from cockpit.core.format import gigabytes, parameters, plain
from cockpit.core.plan import RunPlan
from cockpit.core.profiles import HardwareProfile
from cockpit.memory import verdicts
from cockpit.memory.client import Worker
from cockpit.memory.verdicts import PriceList, Subject, Verdict
from cockpit.system import plan_file

DEFAULT_PLAN: dict[str, Any] = {"batch_size": 1, "max_seq_length": 2048, "num_layers": 16}
PACKINGS: dict[str, Bits | None] = {"4": 4, "8": 8, "16": 16, "published": None}


def models(arguments: argparse.Namespace) -> int:
    plan, profile = _plan(arguments), chosen_profile(arguments.profile)
    found = _judged(plan, profile, PACKINGS[arguments.bits])
    if arguments.json:
        document = {"profile": profile.name, "budget_bytes": profile.budget_bytes}
        shown = plan.model_dump(mode="json", exclude={"model", "data"}, exclude_none=True)
        rows = [verdict.document() | {"checked": word} for verdict, word in found]
        output.print_json(document | {"plan": shown, "models": rows})
        return 0
    print(plain(f"{profile.title}: a budget of {gigabytes(profile.budget_bytes)}"))
    print(
        f"{plan.fine_tune_type}, batch {plan.batch_size}, {plan.max_seq_length} tokens, "
        f"{plan.num_layers} layers, rank {plan.lora_parameters.rank}; flags change it\n"
    )
    headers = ("MODEL", "PACKING", "SIZE", "NEEDS", "VERDICT", "TRAINS", "CHECKED")
    output.print_table(headers, [(*_row(verdict), word or "not yet") for verdict, word in found])
    _explain([verdict for verdict, _ in found], profile)
    return 0


def _plan(arguments: argparse.Namespace) -> RunPlan:
    fields = DEFAULT_PLAN | {"model": "nano", "data": NO_DATA}
    plan_file.merge(fields, overrides_from_arguments(arguments))
    return plan_file.validate(fields, "command line")


def _judged(
    plan: RunPlan, profile: HardwareProfile, bits: Bits | None
) -> list[tuple[Verdict, str | None]]:
    """Verdicts, the models on this machine first, each with what ``cockpit check`` found."""
    subjects = [*verdicts.local_subjects(), *verdicts.catalogue_subjects(bits)]
    worker = Worker()
    prices = PriceList(worker, profile.backend, profile.chip, verdicts.cache_path())
    found, checks = [], store.Known()
    try:
        for number, subject in enumerate(subjects, 1):
            traced = prices.traced
            verdict = verdicts.judge(subject, plan, profile.budget_bytes, prices.ask)
            found.append((verdict, checks.word(subject.name, subject.config)))
            if prices.traced > traced:
                _progress(number, len(subjects), subject)
    finally:
        worker.close()
    return found


def _progress(number: int, total: int, subject: Subject) -> None:
    output.say(f"{number}/{total} traced: {subject.name}")


def _row(verdict: Verdict) -> tuple[str, ...]:
    trains = {True: "yes", False: "no", None: "not known"}[verdict.trains]
    word = f"fits with {verdict.flags}" if verdict.flags else verdict.fits
    size, needs = parameters(verdict.parameters), gigabytes(verdict.needed_bytes)
    return verdict.name, verdict.packing, size, needs, word, trains


def _explain(found: list[Verdict], profile: HardwareProfile) -> None:
    """Why a model does not train, or needs something to."""
    print("\nCHECKED: by cockpit check MODEL, on the installed mlx and mlx-lm")
    common = {verdict.why for verdict in found if verdict.trains and "keys" not in verdict.why}
    for why in sorted(common):
        print(plain(f"trains: {why}"))
    for verdict in found:
        if verdict.why not in common:
            print(plain(f"{verdict.name}: {verdict.why}"))
    if profile.backend != "cpu":
        print(f"unvalidated: no run on {profile.backend} was measured against these forecasts")
