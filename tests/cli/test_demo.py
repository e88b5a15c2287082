"""``cockpit demo``: the promise of the README's first screen."""

from __future__ import annotations

from tests.cli.conftest import Cockpit


def test_the_demo_teaches_a_visible_habit(cockpit: Cockpit) -> None:
    done = cockpit("demo", "--json")
    assert done.code == 0, done.err
    shown = cockpit("show", "latest", "--json").document
    assert shown["status"] == "completed"
    prompts = {sample["prompt"] for sample in shown["samples"]}
    assert prompts
    for prompt in prompts:
        answers = [s["text"] for s in shown["samples"] if s["prompt"] == prompt]
        assert not has_habit(answers[0]), answers
        assert has_habit(answers[-1]), answers


def has_habit(answer: str) -> bool:
    from cockpit.embedded import has_demo_habit

    return has_demo_habit(answer)
