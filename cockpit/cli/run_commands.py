"""The commands on runs that are there already: what they take, and which function runs each."""

from __future__ import annotations

from cockpit.cli import (
    compare,
    control,
    evaluate,
    export,
    fuse,
    recover,
    resume,
    runs,
    tag,
    try_,
)
from cockpit.cli.arguments import Adder, add_detach_flag, add_launch_flags, add_run
from cockpit.cli.plan_arguments import add_plan_flags


def add_run_commands(add: Adder) -> None:
    """From looking at a run to going on with it and using what it made."""
    for group in (
        _add_resume,
        _add_recover,
        _add_runs,
        _add_papers,
        _add_compare,
        _add_results,
        _add_control,
    ):
        group(add)


def _add_runs(add: Adder) -> None:
    command = add(
        "runs",
        runs.list_runs,
        "List all runs, newest first; find some and put them in order.",
        "Lists all runs, newest first. --filter and --tag narrow the list, --sort orders it; what "
        "a run has no value for comes last.",
    )
    runs.add_flags(command)
    for name, handler, about in (
        ("show", runs.show, "Everything known about one run."),
        ("attach", runs.attach, "Watch a run: in the interface, or as lines with --plain."),
        ("stop", runs.stop, "Ask a run to checkpoint and stop; again to insist."),
    ):
        command = add(name, handler, about)
        add_run(command)
        if name == "attach":
            command.add_argument("--plain", action="store_true", help="Lines, no interface.")


def _add_papers(add: Adder) -> None:
    """What is written about runs: a person's own words, and files to take along."""
    command = add(
        "tag",
        tag.tag,
        "Show, add or remove the tags of a run: words of your own.",
        "Adds tags to a run, or removes them with --remove; without a TAG it shows them. Find "
        "tagged runs with: cockpit runs --tag TAG. They are kept in tags.json in the run's "
        "folder, which may be edited by hand.",
    )
    command.intermixed = True
    command.epilog = "Such as: cockpit tag latest baseline night"
    tag.add_flags(command)
    command = add(
        "export",
        export.export,
        "Write the data of runs as CSV or JSON, or their losses as a picture.",
        "Writes what runs measured into a file. csv: a line for each update with training and "
        "validation loss, learning rate, gradient norm, tokens a second and memory in bytes. "
        "json: the same, with plan and summary. svg: the losses in one plot. Another file is "
        "never written over without --force.",
    )
    command.intermixed = True
    command.epilog = "Such as: cockpit export latest --format svg --output loss.svg"
    export.add_flags(command)


def _add_compare(add: Adder) -> None:
    command = add(
        "compare", compare.compare, "Two to six runs side by side: plans, results, curves."
    )
    command.add_argument("names", nargs="+", metavar="RUN", help="Names, or parts of them.")


def _add_resume(add: Adder) -> None:
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
    add_launch_flags(command)
    add_plan_flags(command)


def _add_recover(add: Adder) -> None:
    command = add(
        "recover",
        recover.recover,
        "Go on after a lack of memory: the ways on, each priced, and taking one.",
        "Says what ended a run and the evidence for it, prices the ways on (what is lossless "
        "first, then sequence length, then layers) against what the machine gave, and goes on from "
        "the newest checkpoint with the first that fits, or with the one that is named. With "
        "--json and without --yes it prints all that as one document and starts nothing; it "
        "exits 2 where no way on fits.",
    )
    add_run(command, to="which")
    command.add_argument("--rung", metavar="KIND", help="Take this rung, like batch_size.")
    command.add_argument("--yes", action="store_true", help="Take it without asking.")
    add_detach_flag(command)
    add_plan_flags(command)


def _add_results(add: Adder) -> None:
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
    answer.intermixed = True
    evaluate.add_flags(measure)
    try_.add_flags(answer)
    fuse.add_flags(joined)


def _add_control(add: Adder) -> None:
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
        add_run(command)
    commands["sample"].add_argument("prompt", metavar="PROMPT", help="The text to complete.")
    values = commands["set"].add_mutually_exclusive_group(required=True)
    values.add_argument(
        "--learning-rate", metavar="RATE", help="From the next update on, in place of a schedule."
    )
    values.add_argument(
        "--iters", metavar="N", help="Micro-batches in all, those behind it included."
    )
