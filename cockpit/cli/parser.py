"""Which commands exist, what they take, and which function runs each."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from cockpit import __version__
from cockpit.cli import (
    calibrate,
    check,
    compare,
    control,
    data,
    demo,
    evaluate,
    fit,
    fuse,
    interface,
    machine,
    models,
    predict,
    recover,
    resume,
    runs,
    train,
    try_,
)
from cockpit.cli.plan_arguments import add_plan_flags
from cockpit.errors import CockpitError

Handler = Callable[[argparse.Namespace], int]


# Commands that take every field of a plan: the generated usage would fill the screen.
PLAN_USAGE = {
    "train": "[PLAN.toml | -c YAML] [--model MODEL --data FOLDER ...] [--detach] [--json]",
    "resume": "[RUN | --latest] [--from UPDATE] [--iters N ...] [--detach] [--json]",
    "recover": "RUN [--rung KIND] [--set FIELD=VALUE ...] [--yes] [--detach] [--json]",
    "predict": "[PLAN.toml | -c YAML] [--model MODEL --data FOLDER ...] [--profile NAME] [--json]",
    "fit": "[PLAN.toml | -c YAML] [--model MODEL --data FOLDER ...] [--profile NAME] [--json]",
    "data": "DIR [--model MODEL] [--example N] [--convert OUT [--split 90/5/5]] [--json]",
    "models": "[--profile NAME] [--bits 4] [--batch-size N ...] [--json]",
}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose mistakes are CockpitErrors, like everybody else's."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    # Whether flags may stand between a command's names and texts, as people type them.
    intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if not self.intermixed:
            return super().parse_known_args(args, namespace)
        self.intermixed = False  # it comes back here for either kind
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.intermixed = True

    def error(self, message: str) -> NoReturn:
        raise CockpitError("The command was not understood", message, f"See: {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="cockpit",
        description="A cockpit for LoRA fine-tuning with MLX. Without a command it opens the "
        "interface. Training runs in the background and outlives this terminal.",
        epilog="Runs live in COCKPIT_HOME (see `cockpit doctor`). First time? `cockpit demo`.",
    )
    parser.add_argument("--version", action="version", version=f"mlx-cockpit {__version__}")
    parser.set_defaults(run=lambda _: interface.open_interface())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, handler: Handler, about: str, detail: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=detail or about)
        command.add_argument("--json", action="store_true", help="Print one JSON document.")
        command.set_defaults(run=handler)
        if name in PLAN_USAGE:
            command.usage = f"cockpit {name} {PLAN_USAGE[name]}"
        return command

    _add_training(add)
    _add_resume(add)
    _add_recover(add)
    _add_forecasts(add)
    _add_check(add)
    _add_data(add)
    _add_runs(add)
    _add_compare(add)
    _add_results(add)
    _add_control(add)
    _add_machine(add)
    return parser


def _add_training(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("demo", demo.demo, "Train the embedded model, for real, in about a minute.")
    command.add_argument("--plain", action="store_true", help="Progress lines, no interface.")

    command = add(
        "train",
        train.train,
        "Start a run and follow it; the run outlives this command.",
        "Starts a run and follows it. Interrupting this command does not stop the run.",
    )
    command.add_argument("plan", nargs="?", metavar="PLAN.toml", help="A plan to start from.")
    command.add_argument("-c", "--config", metavar="YAML", help="A configuration of mlx_lm.lora.")
    command.add_argument("--detach", action="store_true", help="Start it and return at once.")
    command.add_argument(
        "--anyway", action="store_true", help="Launch even if it is not expected to fit."
    )
    command.add_argument(
        "--fit", action="store_true", help="If it does not fit, take the cheapest plan that does."
    )
    add_plan_flags(command)


def _add_forecasts(add: Callable[..., argparse.ArgumentParser]) -> None:
    """What a plan needs, before anything is launched."""
    for name, handler, about in (
        ("predict", predict.predict, "Forecast the peak memory of a plan, part by part."),
        ("fit", fit.fit, "The largest plan that fits, and the price of each lever."),
        ("models", models.models, "Models here and in the catalogue: do they fit and train?"),
    ):
        command = add(name, handler, about)
        command.add_argument(
            "--profile", metavar="NAME", help="Another machine; see: cockpit profiles"
        )
        if name == "models":
            command.add_argument(
                "--bits", choices=models.PACKINGS, default="4", help="Packing of the weights [4]."
            )
        else:
            command.add_argument("plan", nargs="?", metavar="PLAN.toml", help="A plan to price.")
            command.add_argument("-c", "--config", metavar="YAML", help="One of mlx_lm.lora.")
        add_plan_flags(command)


def _add_check(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "check",
        check.run,
        "Does a model load, train, resume, fuse, reload, generate and export?",
        "Takes a model through every stage before a night is spent on it: loads it, trains 10 "
        "iterations, resumes, fuses, reloads, generates and exports. On a tiny twin of the same "
        "architecture with random weights, or with --real on the model itself. Exits 1 if a "
        "stage fails.",
    )
    check.add_flags(command)


def _add_data(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "data",
        data.data,
        "Examine a data set, convert it to mlx-lm's layout, split it.",
        "Examines a data folder: formats, lengths, truncation, duplicates, and everything that "
        "would spoil a run, with file, line and cure. Exits 1 if it cannot be trained on. "
        "ShareGPT, Alpaca, chat-formatted text, CSV, Parquet and plain text are recognized and "
        "converted.",
    )
    command.add_argument("folder", nargs="?", metavar="DIR", help="A data folder, or one file.")
    command.add_argument(
        "--example", type=int, metavar="N", help="Show the Nth training example whole [1, cut]."
    )
    command.add_argument(
        "--convert", metavar="OUT", help="Write it in mlx-lm's layout into a new folder."
    )
    command.add_argument(
        "--split", metavar="90/5/5", help="With --convert: train, valid and test, by content."
    )
    add_plan_flags(command)


def _add_runs(add: Callable[..., argparse.ArgumentParser]) -> None:
    add("runs", runs.list_runs, "List all runs, newest first.")
    for name, handler, about in (
        ("show", runs.show, "Everything known about one run."),
        ("attach", runs.attach, "Watch a run: in the interface, or as lines with --plain."),
        ("stop", runs.stop, "Ask a run to checkpoint and stop; again to insist."),
    ):
        command = add(name, handler, about)
        command.add_argument("name", metavar="RUN", help="A run's name, part of it, or 'latest'.")
        if name == "attach":
            command.add_argument("--plain", action="store_true", help="Lines, no interface.")


def _add_compare(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "compare", compare.compare, "Two to six runs side by side: plans, results, curves."
    )
    command.add_argument("names", nargs="+", metavar="RUN", help="Names, or parts of them.")


def _add_results(add: Callable[..., argparse.ArgumentParser]) -> None:
    """What is done with what a run made; each works on the model in a process of its own."""
    measure = add(
        "evaluate",
        evaluate.evaluate,
        "Loss and perplexity of the base and the tuned model on held-out data.",
        "Measures base and tuned model on test.jsonl, or on valid.jsonl where there is no test "
        "set, with the batches and the loss of training: the figures are those of the run. "
        "Says which checkpoint is the best.",
    )
    answer = add(
        "try",
        try_.try_run,
        "The same prompts to the base and the tuned model, side by side.",
        "Puts prompts to the base and the tuned model and shows both answers as they come, also "
        "while the run trains if memory allows. Without a PROMPT it takes the plan's "
        "sample_prompts, or the first few of the validation data.",
    )
    joined = add(
        "fuse",
        fuse.fuse,
        "The tuned model as a folder of its own, and as a GGUF if asked.",
        "Joins adapters and model into a folder that mlx-lm loads, reads it back and compares its "
        "answers with the adapted model's. A quantized model is packed again, which changes it a "
        "little: the figure is told, and --dequantize avoids it. GGUF is for llama, mistral and "
        "mixtral.",
    )
    assert isinstance(answer, Parser)
    answer.intermixed = True
    evaluate.add_flags(measure)
    try_.add_flags(answer)
    fuse.add_flags(joined)


def _add_resume(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "resume",
        resume.resume,
        "Continue a run from its newest checkpoint, exactly where that was.",
        "Continues a run that was stopped, failed or died, from its newest whole checkpoint: the "
        "same run, as if it had never been interrupted. Nothing needs to be said again; flags "
        "change what can be changed, and what cannot is refused by name. A complete run goes on "
        "with more --iters.",
    )
    command.add_argument("which", metavar="RUN", nargs="?", help="A run's name, or part of it.")
    command.add_argument(
        "--latest", action="store_true", help="The newest run that can be continued."
    )
    command.add_argument(
        "--from",
        dest="from_update",
        type=int,
        metavar="UPDATE",
        help="Go back to the checkpoint after this update instead of the newest.",
    )
    command.add_argument("--detach", action="store_true", help="Start it and return at once.")
    command.add_argument(
        "--anyway", action="store_true", help="Launch even if it is not expected to fit."
    )
    add_plan_flags(command)


def _add_recover(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "recover",
        recover.recover,
        "Go on after a lack of memory: the ways on, each priced, and taking one.",
        "Says what ended a run and the evidence for it, prices the ways on (batch, then sequence "
        "length, then layers) against what the machine gave, and goes on from the newest "
        "checkpoint with the first that fits, or with the one that is named.",
    )
    command.add_argument("which", metavar="RUN", help="A run's name, part of it, or 'latest'.")
    command.add_argument("--rung", metavar="KIND", help="Take this rung, like batch_size.")
    command.add_argument("--yes", action="store_true", help="Take it without asking.")
    command.add_argument("--detach", action="store_true", help="Start it and return at once.")
    add_plan_flags(command)


def _add_control(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Commands to a run that trains; each waits for the trainer's answer."""
    commands = {
        name: add(name, handler, about)
        for name, handler, about in (
            ("pause", control.pause, "Hold a run between two updates; it keeps its memory."),
            ("unpause", control.unpause, "Let a paused run train on."),
            ("checkpoint", control.checkpoint, "Save a checkpoint now."),
            ("validate", control.validate, "Measure the validation loss now."),
            ("sample", control.sample, "Complete a prompt with the adapter as it is now."),
            ("set", control.set_value, "Change the learning rate or the length of a run."),
        )
    }
    for command in commands.values():
        command.add_argument("name", metavar="RUN", help="A run's name, part of it, or 'latest'.")
    commands["sample"].add_argument("prompt", metavar="PROMPT", help="The text to complete.")
    values = commands["set"].add_mutually_exclusive_group(required=True)
    values.add_argument(
        "--learning-rate", metavar="RATE", help="From the next update on, in place of a schedule."
    )
    values.add_argument(
        "--iters", metavar="N", help="Micro-batches in all, those behind it included."
    )


def _add_machine(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("profiles", machine.profiles, "Hardware profiles: list, show, copy, change.")
    machine.add_profile_flags(command)
    add(
        "calibrate",
        calibrate.calibrate,
        "Measure a few short runs and fit the forecast's constants to this machine.",
    )
    add("doctor", machine.doctor, "Check this machine, with a remedy for each finding.")
