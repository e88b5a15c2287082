"""``cockpit runs``, ``show``, ``attach`` and ``stop``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence

from cockpit.cli import ending, follow, interface, output, train
from cockpit.core.format import NOT_AVAILABLE, count, duration, gigabytes, loss, plain, speed
from cockpit.core.ladder import cost_in_words
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.system import (
    checkpoints,
    control,
    launcher,
    observe,
    run_dir,
    run_document,
    run_list,
    runs_view,
    tags,
)
from cockpit.system.run_list import RunRow
from cockpit.system.runs_view import Order


def add_flags(command: argparse.ArgumentParser) -> None:
    """What ``cockpit runs`` takes."""
    command.add_argument(
        "--filter",
        metavar="TEXT",
        default="",
        help="Runs with every word of it in name, model, status or tags; #word begins a tag.",
    )
    command.add_argument(
        "--tag", metavar="TAG", action="append", default=[], help="Runs so tagged; once or more."
    )
    command.add_argument(
        "--sort", choices=runs_view.KEYS, default="date", help="What to order them by [date]."
    )
    command.add_argument("--reverse", action="store_true", help="The other way round.")


def list_runs(arguments: argparse.Namespace) -> int:
    run_dir.refuse_home_that_is_no_folder()
    order = Order(arguments.sort, arguments.reverse)
    rows = run_list.read(validations=order.key == "best-loss")
    found = runs_view.tagged(
        runs_view.matching(rows, arguments.filter), tags.cleaned(arguments.tag)
    )
    found = runs_view.arranged(found, order)
    if arguments.json:
        documents = [row.summary.document() | {"tags": list(row.tags)} for row in found]
        output.print_json({"runs": documents})
    elif found:
        output.print_table(*_table(found, order))
    elif rows:
        output.say("No run matches. All of them: cockpit runs")
    else:
        output.say("No runs yet. Start with: cockpit demo")
    return 0


def _table(rows: Sequence[RunRow], order: Order) -> tuple[list[str], list[list[str]]]:
    """Heads and cells; a column of tags and one of what it is ordered by, where there are any."""
    columns: dict[str, Callable[[RunRow], str]] = {
        "RUN": lambda row: row.summary.run,
        "STATUS": lambda row: row.summary.status,
        "ITERATIONS": lambda row: count(row.summary.iterations),
        "LOSS": lambda row: loss(row.summary.final_train_loss),
    }
    if order.key == "best-loss":
        columns["BEST"] = lambda row: loss(row.best_loss)
    columns["FORECAST"] = lambda row: gigabytes(row.summary.predicted_peak_bytes)
    columns["PEAK"] = lambda row: gigabytes(row.summary.measured_peak_bytes)
    if any(row.tags for row in rows):
        columns["TAGS"] = lambda row: ",".join(row.tags)
    columns["MODEL"] = lambda row: row.summary.model or NOT_AVAILABLE
    return list(columns), [[cell(row) for cell in columns.values()] for row in rows]


def show(arguments: argparse.Namespace) -> int:
    run = run_dir.find(arguments.name)
    state = follow.current_state(run)
    if arguments.json:
        run.plan()  # what has none that can be read is refused
        output.print_json(run_document.document(run, state))
        return 0
    for key, value in _readable(run, state):
        print(plain(f"{key:<16} {value}"))
    return 0


def _readable(run: run_dir.RunDir, state: RunState) -> list[tuple[str, str]]:
    summary = observe.summary(run)
    plan = run.plan()
    best = state.best_validation
    rows = [
        ("run", run.name),
        ("folder", str(run.path)),
        ("status", state.status),
        ("tags", ", ".join(tags.read(run)) or "none"),
        ("model", plan.model),
        ("data", plan.data),
        *_plans(plan, run_document.newest_plan(run) or plan, state),
        ("updates", f"{state.update} of {state.updates or NOT_AVAILABLE}"),
        ("train loss", loss(summary.final_train_loss)),
        ("validation", f"best {best.loss:.3f} at update {best.update}" if best else "n/a"),
        ("peak memory", f"{gigabytes(summary.measured_peak_bytes)} "
         f"(forecast {gigabytes(summary.predicted_peak_bytes)})"),
        ("speed", speed(state.tokens_per_second)),
        ("left", duration(state.eta_seconds)),
        ("checkpoints", ", ".join(map(str, checkpoints.updates(run)[-5:])) or "none"),
        ("adapters", summary.adapter_path or "none yet"),
    ]  # fmt: skip
    return rows + _ended(run, state)


def _plans(asked: RunPlan, now: RunPlan, state: RunState) -> list[tuple[str, str]]:
    """What trains, what was asked where that differs, and the recoveries in between."""
    rows = [("plan", f"{now.fine_tune_type}, {now.optimizer}, {_size(now)}")]
    if changed := list(_differing(asked, now)):
        rows.append(("asked", ", ".join(changed)))
    if state.attempt > 1:
        times = len(state.recoveries)
        often = {0: "", 1: ", recovered once"}.get(times, f", recovered {times} times")
        rows.append(("attempts", f"{state.attempt}{often}"))
    for told in state.recoveries:
        cost = cost_in_words(told.recovery)
        rows += [("", line) for line in (follow.recovery_line(told), cost) if line]
    return rows


def _size(plan: RunPlan) -> str:
    return (
        f"batch {plan.batch_size} x {plan.grad_accumulation_steps}, sequence {plan.max_seq_length}"
    )


def _differing(asked: RunPlan, now: RunPlan) -> Iterator[str]:
    if _size(asked) != _size(now):
        yield _size(asked)
    before, after = asked.model_dump(mode="json"), now.model_dump(mode="json")
    for name in ("num_layers", "grad_checkpoint", "loss_chunks", "long_examples", "learning_rate"):
        if before[name] != after[name]:
            yield f"{name} {before[name]} (now {after[name]})"


def _ended(run: run_dir.RunDir, state: RunState) -> list[tuple[str, str]]:
    """Why it does not go on; empty of a run that does, or simply completed."""
    if state.status == "failed":
        lines, remedies = ending.why(run, state)
        lines += [f"-> {remedy}" for remedy in remedies]
        return [("" if place else "diagnosis", line) for place, line in enumerate(lines)]
    if state.end is not None and state.end.title:
        return [("ended", f"{state.end.title}. {state.end.message} {state.end.remedy}")]
    return []


def attach(arguments: argparse.Namespace) -> int:
    run = run_dir.find(arguments.name)
    if launcher.replace_dead_supervisor(run):
        output.say("Its supervisor had died; a new one watches over it.")
    if interface.on_a_terminal() and not (arguments.plain or arguments.json):
        return interface.show(run)
    return train.follow_to_the_end(run, as_json=arguments.json)


def stop(arguments: argparse.Namespace) -> int:
    run = run_dir.find(arguments.name)
    message = control.stop(run)
    if arguments.json:
        output.print_json(observe.summary(run).document() | {"message": message})
    else:
        output.say(f"{run.name}: {message}")
    return 0
