"""``cockpit evaluate``: loss and perplexity of the base and the tuned model on held-out data."""

from __future__ import annotations

import argparse
from typing import Any

from cockpit.cli import output, working
from cockpit.core.format import NOT_AVAILABLE, loss, plain


def add_flags(command: argparse.ArgumentParser) -> None:
    working.add_flags(command)
    command.add_argument(
        "--split", choices=("test", "valid"), help="Where to measure [test if there is one]."
    )


def evaluate(arguments: argparse.Namespace) -> int:
    found = working.chosen(arguments, whole_examples=True)
    request = working.request_of(found, arguments, split=arguments.split)
    document = working.document_of("evaluate", request)
    if arguments.json:
        output.print_json(document)
    else:
        _print(document)
    return 0


def _print(document: dict[str, Any]) -> None:
    base, tuned = document["base"], document["tuned"]
    name = f"tuned, update {document['checkpoint']}"
    print(plain(f"{document['run']} on {document['split']}.jsonl: {_measured(document)}"))
    print()
    output.print_table(
        ("MODEL", "LOSS", "PERPLEXITY"),
        [("base", *_figures(base)), (name, *_figures(tuned))],
    )
    print()
    gained = base["loss"] - tuned["loss"]
    print(f"training {'lowered' if gained >= 0 else 'raised'} the loss by {loss(abs(gained))}")
    best = document["best_checkpoint"]
    if best is None:
        print("best checkpoint: n/a, none was validated")
    else:
        which = "this one" if best["update"] == document["checkpoint"] else "--checkpoint best"
        measured = loss(best["validation_loss"])
        print(f"best checkpoint: update {best['update']}, validation loss {measured} ({which})")


def _measured(document: dict[str, Any]) -> str:
    return (
        f"{document['tokens']:,} tokens that count, {document['batches']:,} batches of "
        f"{document['examples']:,} examples, {document['dtype']}"
    )


def _figures(side: dict[str, float | None]) -> tuple[str, str]:
    perplexity = side["perplexity"]
    shown = NOT_AVAILABLE if perplexity is None else f"{perplexity:.4g}"
    value = side["loss"]
    return (NOT_AVAILABLE if value is None else f"{value:.4f}", shown)
