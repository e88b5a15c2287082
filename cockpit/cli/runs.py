"""``cockpit runs``, ``show``, ``attach`` and ``stop``."""

from __future__ import annotations

import argparse

from cockpit.cli import follow, interface, output, train
from cockpit.core.format import NOT_AVAILABLE, count, duration, gigabytes, loss, plain, speed
from cockpit.core.run_state import RunState
from cockpit.system import control, launcher, observe, run_dir


def list_runs(arguments: argparse.Namespace) -> int:
    summaries = observe.list_summaries()
    if arguments.json:
        output.print_json({"runs": [summary.document() for summary in summaries]})
        return 0
    if not summaries:
        output.say("No runs yet. Start with: cockpit demo")
        return 0
    rows = [
        (
            s.run,
            s.status,
            count(s.iterations),
            loss(s.final_train_loss),
            gigabytes(s.predicted_peak_bytes),
            gigabytes(s.measured_peak_bytes),
            s.model or NOT_AVAILABLE,
        )
        for s in summaries
    ]
    output.print_table(("RUN", "STATUS", "ITERATIONS", "LOSS", "FORECAST", "PEAK", "MODEL"), rows)
    return 0


def show(arguments: argparse.Namespace) -> int:
    run = run_dir.find(arguments.name)
    state = follow.current_state(run)
    document = observe.summary(run).document()
    if arguments.json:
        output.print_json(document | _details(run, state))
        return 0
    for key, value in _readable(run, state):
        print(plain(f"{key:<16} {value}"))
    return 0


def _details(run: run_dir.RunDir, state: RunState) -> dict[str, object]:
    best = state.best_validation
    return {
        "folder": str(run.path),
        "attempts": len(run.attempts()),
        "updates": state.update,
        "updates_planned": state.updates,
        "best_validation": None if best is None else {"update": best.update, "loss": best.loss},
        "checkpoints": [checkpoint.update for checkpoint in state.checkpoints],
        "test_loss": None if state.test is None else state.test.loss,
        "samples": [
            {"update": s.update, "prompt": s.prompt, "text": s.text} for s in state.samples
        ],
        "plan": run.plan().model_dump(mode="json", exclude_none=True),
    }


def _readable(run: run_dir.RunDir, state: RunState) -> list[tuple[str, str]]:
    summary = observe.summary(run)
    plan = run.plan()
    best = state.best_validation
    rows = [
        ("run", run.name),
        ("folder", str(run.path)),
        ("status", state.status),
        ("model", plan.model),
        ("data", plan.data),
        ("plan", f"{plan.fine_tune_type}, {plan.optimizer}, batch {plan.batch_size} x "
         f"{plan.grad_accumulation_steps}, sequence {plan.max_seq_length}"),
        ("updates", f"{state.update} of {state.updates or NOT_AVAILABLE}"),
        ("train loss", loss(summary.final_train_loss)),
        ("validation", f"best {best.loss:.3f} at update {best.update}" if best else "n/a"),
        ("peak memory", f"{gigabytes(summary.measured_peak_bytes)} "
         f"(forecast {gigabytes(summary.predicted_peak_bytes)})"),
        ("speed", speed(state.tokens_per_second)),
        ("left", duration(state.eta_seconds)),
        ("checkpoints", ", ".join(str(c.update) for c in state.checkpoints[-5:]) or "none"),
        ("adapters", summary.adapter_path or "none yet"),
    ]  # fmt: skip
    if state.end is not None and state.end.title:
        rows.append(("ended", f"{state.end.title}. {state.end.message} {state.end.remedy}"))
    elif state.diagnosis is not None:
        rows.append(("diagnosis", state.diagnosis.title))
        rows += [("", line) for line in (*state.diagnosis.evidence, state.diagnosis.remedy)]
    return rows


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
