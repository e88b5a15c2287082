"""``cockpit check``: the model through every stage, before a night is spent on it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cockpit.check import store
from cockpit.check.checking import Candidate, check, own_candidates
from cockpit.check.client import Client
from cockpit.check.stages import UNPACKED, Outcome, Report, packing_of
from cockpit.cli import output
from cockpit.core.format import plain
from cockpit.errors import CockpitError
from cockpit.results.kept import LOST
from cockpit.system import mlx_lm_types, models
from cockpit.system.home import home

PACKINGS = {"16": UNPACKED, "8": "8-bit", "6": "6-bit", "4": "4-bit", "3": "3-bit", "2": "2-bit"}

_ERROR_LINES = 4
_MARKS = {"passed": "ok", "failed": "FAIL", "not for this family": "--", "not reached": ".."}


def add_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="MODEL", help="A folder, a hub name, or a listed model.")
    command.add_argument(
        "--real", action="store_true", help="On the real weights, which have to be here."
    )
    command.add_argument(
        "--bits", choices=PACKINGS, help="The twin in this packing alone [its own, 16 and 4]."
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.real and arguments.bits:
        raise CockpitError(
            "The real weights have one packing",
            "--bits is for the tiny twin",
            "Leave out --bits or --real.",
        )
    config, folder = _found(arguments.model)
    if mlx_lm_types.is_known(config) is False:
        raise _unknown(arguments.model, config)
    candidates = (
        [_real(arguments.model, config, folder)]
        if arguments.real
        else own_candidates(arguments.model, config, _packings(arguments.bits))
    )
    reports = []
    with Client() as client:
        for candidate in candidates:
            reports.append(check(candidate, client, output.say))
            store.save(reports[-1])
    _show(reports, as_json=arguments.json)
    return 0 if all(report.passed for report in reports) else 1


def _packings(bits: str | None) -> tuple[str, ...]:
    return (PACKINGS[bits],) if bits else ()


def _found(name: str) -> tuple[Mapping[str, Any], Path | None]:
    """config.json's content, and the folder if the model is on this machine."""
    files, listed = models.files_or_listed(name)
    if files is not None:
        return files.config(), files.folder
    if listed is None:
        raise CockpitError(
            "The model's config.json is not here",
            f"{name}: not in the catalogue, and not downloaded",
            f"hf download {name} config.json, then check it again.",
        )
    return listed.config(), None


def _real(name: str, config: Mapping[str, Any], folder: Path | None) -> Candidate:
    if folder is None:
        raise CockpitError(
            "The real weights are not here",
            f"{name}: the catalogue has its config only",
            "Download it first, or check its tiny twin: leave out --real.",
        )
    entry = models.resolve(name)
    if entry.needs_trust:
        raise CockpitError(
            "The model brings Python code of its own",
            f"{name}: config.json names a model_file",
            "Leave out --real: its tiny twin runs mlx-lm's code only.",
        )
    home().mkdir(parents=True, exist_ok=True)
    return Candidate(name, config, packing_of(config), folder)


def _unknown(name: str, config: Mapping[str, Any]) -> CockpitError:
    model_type = str(config.get("model_type"))
    near = mlx_lm_types.nearest(model_type)
    return CockpitError(
        "mlx-lm has no such architecture",
        f"{name}: model_type {model_type!r}" + (f"; it knows {near!r}" if near else ""),
        "A newer mlx-lm may; until then it can neither be loaded nor trained.",
        exit_code=1,
    )


def _show(reports: list[Report], *, as_json: bool) -> None:
    first = reports[0]
    if as_json:
        output.print_json(
            {
                "model": first.model,
                "model_type": first.model_type,
                "passed": all(report.passed for report in reports),
                "checks": [report.model_dump(mode="json") for report in reports],
            }
        )
        return
    for report in reports:
        how = "real weights" if report.weights == "real" else "tiny twin"
        print(plain(f"{report.model} ({report.model_type}), {report.packing}, {how}"))
        for outcome in report.stages:
            _show_stage(outcome)
        print(plain(f"  {report.word}\n"))
    print(plain(f"mlx {first.mlx}, mlx-lm {first.mlx_lm}, {first.device}; kept in {store.path()}"))
    if any(LOST in outcome.detail for report in reports for outcome in report.stages):
        print("Packed weights: fuse with --dequantize, or use the adapter with --adapter-path.")
    if first.weights == "twin":
        print("A twin tells whether it works, not how well, nor whether it fits in memory.")


def _show_stage(outcome: Outcome) -> None:
    first, *rest = (outcome.detail or outcome.error).splitlines() or [""]
    if len(rest) > _ERROR_LINES:
        rest[_ERROR_LINES:] = [f"... {len(rest) - _ERROR_LINES} more lines, with --json"]
    print(plain(f"  {_MARKS[outcome.status]:<4}  {outcome.stage:<10}  {first}").rstrip())
    for line in rest:
        print(plain(f"  {'':<16}  {line}"))
    if outcome.meaning:
        print(plain(f"  {'':<16}  -> {outcome.meaning}"))
