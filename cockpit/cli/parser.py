"""Which commands exist, what they take, and which function runs each."""

from __future__ import annotations

from cockpit import __version__
from cockpit.cli import (
    calibrate,
    check,
    data,
    demo,
    fit,
    interface,
    keys,
    machine,
    models,
    predict,
    presets,
    train,
)
from cockpit.cli.arguments import Adder, Handler, Parser, add_launch_flags
from cockpit.cli.plan_arguments import add_plan_flags, add_preset_flag
from cockpit.cli.run_commands import add_run_commands

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


def build_parser() -> Parser:
    parser = Parser(
        prog="cockpit",
        description="A cockpit for LoRA fine-tuning with MLX. Without a command it opens the "
        "interface. Training runs in the background and outlives this terminal.",
        epilog="Runs live in COCKPIT_HOME (see `cockpit doctor`). First time? `cockpit demo`.",
    )
    parser.add_argument("--version", action="version", version=f"mlx-cockpit {__version__}")
    parser.set_defaults(run=lambda _: interface.open_interface())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)

    def add(name: str, handler: Handler, about: str, detail: str = "") -> Parser:
        command = commands.add_parser(name, help=about, description=detail or about)
        command.add_argument("--json", action="store_true", help="Print one JSON document.")
        command.set_defaults(run=handler)
        if name in PLAN_USAGE:
            command.usage = f"cockpit {name} {PLAN_USAGE[name]}"
        return command

    _add_training(add)
    _add_forecasts(add)
    _add_check(add)
    _add_data(add)
    add_run_commands(add)
    _add_machine(add)
    return parser


def _add_training(add: Adder) -> None:
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
    add_launch_flags(command)
    command.add_argument(
        "--fit", action="store_true", help="If it does not fit, take the cheapest plan that does."
    )
    add_preset_flag(command)
    add_plan_flags(command)


def _add_forecasts(add: Adder) -> None:
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
            add_preset_flag(command)
        if name == "predict":
            predict.add_time_flag(command)
        add_plan_flags(command)
    add("presets", presets.presets, "Plans to start from, and what each of them changes.")


def _add_check(add: Adder) -> None:
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


def _add_data(add: Adder) -> None:
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


def _add_machine(add: Adder) -> None:
    command = add("profiles", machine.profiles, "Hardware profiles: list, show, copy, change.")
    machine.add_profile_flags(command)
    add(
        "calibrate",
        calibrate.calibrate,
        "Measure a few short runs and fit the forecast's constants to this machine.",
    )
    add("doctor", machine.doctor, "Check this machine, with a remedy for each finding.")
    keys.add_flags(add("keys", keys.keys, "The interface's keys, and how to change them."))
