"""``cockpit try``: the same prompts to the base and the tuned model, side by side."""

from __future__ import annotations

import argparse

from cockpit.cli import output, working
from cockpit.errors import CockpitError
from cockpit.results import settings
from cockpit.results.messages import Result
from cockpit.results.settings import Settings

_USUAL = Settings()


def add_flags(command: argparse.ArgumentParser) -> None:
    working.add_flags(command)
    command.add_argument("prompts", metavar="PROMPT", nargs="*", help="Texts to answer.")
    command.add_argument(
        "--max-tokens",
        metavar="N",
        default=str(_USUAL.max_tokens),
        help=f"Longest answer [{_USUAL.max_tokens}].",
    )
    command.add_argument(
        "--temperature", metavar="T", default="0", help="0 takes the likeliest token [0]."
    )


def try_run(arguments: argparse.Namespace) -> int:
    prompts = [_checked(prompt) for prompt in arguments.prompts]
    fields = {
        "prompts": prompts,
        "max_tokens": settings.max_tokens(arguments.max_tokens, "--max-tokens"),
        "temperature": settings.temperature(arguments.temperature, "--temperature"),
    }
    found = working.chosen(arguments, whole_examples=False)
    request = working.request_of(found, arguments, **fields)
    if arguments.json:
        output.print_json(working.document_of("answer", request))
        return 0
    from cockpit.cli.side_by_side import view

    name = found.plan.model.rstrip("/").rpartition("/")[2]
    shown = view(f"{name}, base", f"tuned, update {found.update}")
    try:
        for message in working.follow("answer", request):
            if not isinstance(message, Result):
                shown.show(message)
    finally:
        shown.close()
    return 0


def _checked(prompt: str) -> str:
    if not prompt.strip():
        raise CockpitError("There is no prompt", "PROMPT is empty", "Give some text to answer.")
    # What the terminal sent that is no UTF-8 is no text for a tokenizer.
    return prompt.encode("utf-8", "replace").decode()
