"""What a run leaves to say when it has ended: how, why, what it made and what to do next."""

from __future__ import annotations

from cockpit.cli.output import say
from cockpit.core import format as fmt
from cockpit.core import guard
from cockpit.core.ladder import cure_of
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.errors import CockpitError
from cockpit.system import death, models
from cockpit.system.run_dir import RunDir


def print_samples(state: RunState) -> None:
    """Each sampled prompt with its first and its last answer."""
    prompts = list(dict.fromkeys(sample.prompt for sample in state.samples))
    for prompt in prompts:
        answers = [sample for sample in state.samples if sample.prompt == prompt]
        say(f'\n"{prompt}"')
        for label, answer in (("before", answers[0]), ("after", answers[-1])):
            say(f"  {label:<6} (update {answer.update}): {answer.text.strip()}")


def print_ending(run: RunDir, plan: RunPlan, state: RunState) -> None:
    """The last lines: how it ended, what it left, what to do next."""
    seconds = None
    if state.started_at is not None and state.ended_at is not None:
        seconds = state.ended_at - state.started_at
    first, last = (state.losses[0][1], state.losses[-1][1]) if state.losses else (None, None)
    say(
        f"\n{state.status} after {state.update} updates in {fmt.duration(seconds)}: "
        f"loss {fmt.loss(first)} -> {fmt.loss(last)}, peak {fmt.gigabytes(state.peak_bytes)}"
    )
    if state.status == "failed":
        lines, remedies = why(run, state)
        for line in (*lines, *(f"-> {remedy}" for remedy in remedies)):
            say(f"  {line}")
    if (refused := state.refused) is not None:
        say(f"not recovered by itself: {refused.title}")
        for line in filter(None, (refused.message, refused.remedy and f"-> {refused.remedy}")):
            say(f"  {line}")
    elif state.status == "stopped" and state.guard is not None and state.guard.level == "stop":
        title, said, remedy = guard.told(state.guard)
        say(f"{title}: {said}\n  -> {remedy}\n  -> see how: cockpit recover {run.name}")
    elif state.end is not None and state.end.title and state.status != "failed":
        say(f"{state.end.title}. {state.end.message}")
        if state.end.remedy:
            say(f"  -> {state.end.remedy}")
    if state.checkpoints:
        say(f"adapters: {run.adapters}")
        say(
            f"try them: mlx_lm.generate --model {_folder(plan)} "
            f"--adapter-path {run.adapters} --prompt '...'"
        )


def _folder(plan: RunPlan) -> str:
    """What mlx_lm.generate calls the model: it does not know our names."""
    try:
        found = models.resolve(plan.model).path
    except CockpitError:
        found = None
    return str(found or plan.model)


def why(run: RunDir, state: RunState) -> tuple[list[str], list[str]]:
    """What a failed run died of, title first, and what to do about it."""
    found = death.diagnosis_of(run, state)
    cure = cure_of(found)
    if cure == "other" and state.end is not None:
        lines, remedies = [state.end.title, state.end.message], [state.end.remedy]
    elif found is not None:
        lines = [found.title, *found.evidence]
        # Against a lack of memory the ladder knows more than the diagnosis did.
        remedies = [] if cure == "memory" else [found.remedy]
    else:
        return [], []
    if cure != "other":
        remedies.append(f"See the ways on, priced: cockpit recover {run.name}")
    return list(filter(None, lines)), list(filter(None, remedies))
