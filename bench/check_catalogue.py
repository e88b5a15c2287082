"""``cockpit check`` over the whole catalogue as tiny twins; writes the compatibility table.

    python bench/check_catalogue.py [--only SLUG ...] [--again] [--out bench/compatibility]

Writes OUT.md for people and OUT.json for programs after every check, so that it can be stopped
and started again: what passed on the installed versions is not done twice. Models with the same
twin share one check. A quarter to half a minute each, 67 of them on two busy cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from document_claims import Row, against, judged

from cockpit import catalogue
from cockpit.catalogue import CatalogueModel
from cockpit.check.checking import Candidate, check
from cockpit.check.client import Client
from cockpit.check.shrink import fingerprint
from cockpit.check.stages import STAGES, UNPACKED, Outcome, Report, packing_of
from cockpit.system.software import installed_version

MARKS = {"passed": "yes", "failed": "**no**", "not for this family": "-", "not reached": "."}


def main() -> None:
    arguments = _arguments()
    known = {} if arguments.again else _known(arguments.out.with_suffix(".json"))
    chosen = [m for m in catalogue.models() if not arguments.only or m.slug in arguments.only]
    done: set[str] = set()
    with Client() as client:
        for model, packing in ((m, p) for m in chosen for p in packings(m)):
            key = fingerprint(model.config(), packing)
            if key not in known or (known[key].failed and key not in done):
                done.add(key)
                known[key] = check(Candidate(model.name, model.config(), packing), client)
                print(f"{model.name}, {packing}: {known[key].word}", flush=True)
                _write(arguments.out, known)
    _write(arguments.out, known)


def packings(model: CatalogueModel) -> tuple[str, ...]:
    """Unpacked, in 4 bits, and as published."""
    return tuple(dict.fromkeys((UNPACKED, "4-bit", packing_of(model.config()))))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="+", metavar="SLUG", help="These models alone.")
    parser.add_argument("--again", action="store_true", help="Do what is there already, too.")
    default = Path(__file__).with_name("compatibility")
    parser.add_argument("--out", type=Path, default=default, help="Without a suffix.")
    return parser.parse_args()


def _known(path: Path) -> dict[str, Report]:
    """Reports of an earlier start, by fingerprint, if they are of the installed versions."""
    if not path.is_file():
        return {}
    records = json.loads(path.read_text())["checks"]
    found = [Report.model_validate(record) for record in records]
    versions = installed_version("mlx"), installed_version("mlx-lm")
    return {r.fingerprint: r for r in found if (r.mlx, r.mlx_lm) == versions}


def _write(out: Path, known: dict[str, Report]) -> None:
    rows = [
        (model, known[key])
        for model in catalogue.models()
        for packing in packings(model)
        if (key := fingerprint(model.config(), packing)) in known
    ]
    if not rows:
        return
    out.with_suffix(".json").write_text(json.dumps(_document(rows, known), indent=1) + "\n")
    out.with_suffix(".md").write_text("\n".join(_markdown(rows)) + "\n")


def _document(rows: list[Row], known: dict[str, Report]) -> dict[str, Any]:
    return {
        "mlx": rows[0][1].mlx,
        "mlx_lm": rows[0][1].mlx_lm,
        "device": rows[0][1].device,
        "models": [
            {
                "model": model.slug,
                "model_type": model.family,
                "packing": report.packing,
                "check": report.fingerprint,
                "verdict": report.word,
                "contradicts": against(model, report),
            }
            for model, report in rows
        ],
        "claims": [
            {"document": claim.document, "says": claim.says, "verdict": word, "evidence": evidence}
            for claim, word, evidence in judged(rows)
        ],
        "checks": [report.model_dump(mode="json") for report in known.values()],
    }


def _markdown(rows: list[Row]) -> list[str]:
    first = rows[0][1]
    lines = [
        "# Which models load, train, resume, fuse, reload, generate and export",
        "",
        f"Written by `bench/check_catalogue.py`: mlx {first.mlx}, mlx-lm {first.mlx_lm}, "
        f"{first.device}. Every model as a tiny twin: its architecture and config with every "
        "dimension shrunk and random weights, so nothing here speaks of quality or of memory. "
        "Models with the same twin share one check.",
        "",
        "`-` not for this family or packing; `.` not reached because an earlier stage failed. "
        "*export* is GGUF as `cockpit fuse --gguf` writes it. *experts*: adapters on experts that "
        "training changed.",
        "",
        f"| model | type | packing | {' | '.join(STAGES)} | experts | documents contradicted |",
        f"|---|---|---|{'---|' * len(STAGES)}---|---|",
    ]
    for model, report in rows:
        cells = [MARKS[report.of(stage).status] for stage in STAGES]
        experts = "" if report.experts_trained is None else str(report.experts_trained)
        cells = [model.name, model.family, report.packing, *cells, experts, against(model, report)]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, *_failures(rows), *_claims(rows), *_kept(rows)]


def _failures(rows: list[Row]) -> list[str]:
    """Every failure once, with the models that share it."""
    shared: dict[tuple[str, str, str], list[str]] = {}
    for model, report in rows:
        for outcome in report.failed:
            key = (outcome.stage, _brief(outcome), outcome.meaning)
            shared.setdefault(key, []).append(f"{model.name} ({report.packing})")
    lines = ["", "## What fails", ""] + ([] if shared else ["Nothing."])
    for (stage, error, meaning), names in shared.items():
        lines.append(f"- **{stage}**: {', '.join(names)}: `{error}` {meaning}")
    return lines


def _brief(outcome: Outcome) -> str:
    text = " ".join(outcome.error.split()).replace("`", "'")
    return text if len(text) <= 240 else text[:239] + "…"


def _claims(rows: list[Row]) -> list[str]:
    lines = ["", "## What the documents say", ""]
    lines += ["| document | says | here | evidence |", "|---|---|---|---|"]
    for claim, word, evidence in judged(rows):
        lines.append(f"| {claim.document} | {claim.says} | {word} | {evidence} |")
    return lines


def _kept(rows: list[Row]) -> list[str]:
    lines = ["", "## Details", ""]
    lines.append("| model | packing | train | resume | reload | dequantize | export |")
    lines.append("|---|---|---|---|---|---|---|")
    for model, report in rows:
        shown = [report.of(s).detail for s in ("train", "resume", "reload", "dequantize", "export")]
        lines.append(f"| {model.name} | {report.packing} | {' | '.join(shown)} |")
    return lines


if __name__ == "__main__":
    main()
