"""What is asked, and answers that are those of training's own samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.core import events as ev
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.results import answer, prompts
from cockpit.results.messages import Asked, Message, Piece
from cockpit.results.prompts import Prompt
from cockpit.system.run_dir import RunDir
from tests.results.conftest import Said, events


def ask(run: RunDir, *texts: str, said: Said | None = None, **changes: Any) -> dict[str, Any]:
    request = {"run": str(run.path), "prompts": list(texts), "max_tokens": 64, "temperature": 0.0}
    return answer.run(request | changes, said or Said())


def streamed(messages: list[Message]) -> dict[tuple[int, str], str]:
    found: dict[tuple[int, str], str] = {}
    place = (0, "")
    for message in messages:
        if isinstance(message, Asked):
            place = (message.number, message.side)
            found[place] = ""
        elif isinstance(message, Piece):
            found[place] += message.text
    return found


def test_the_answers_are_those_of_the_run_and_they_are_streamed(trained: RunDir) -> None:
    said = Said()
    found = ask(trained, said=said)["answers"]
    sampled = [e for e in events(trained) if isinstance(e, ev.Sampled)]
    before, after = sampled[0], sampled[-1]
    assert [a["prompt"] for a in found] == [before.prompt]
    assert found[0]["base"]["text"] == before.text
    assert found[0]["tuned"]["text"] == after.text
    assert before.text != after.text
    assert streamed(said.messages) == {(0, "base"): before.text, (0, "tuned"): after.text}
    assert len([m for m in said.messages if isinstance(m, Piece)]) > 4


def test_length_and_temperature_are_obeyed_and_repeatable(trained: RunDir) -> None:
    short = ask(trained, "Who are you?", max_tokens=3)["answers"][0]
    assert short["base"]["tokens"] == short["tuned"]["tokens"] == 3
    hot = [ask(trained, "Who are you?", temperature=1.5, max_tokens=12) for _ in range(2)]
    greedy = ask(trained, "Who are you?", max_tokens=12)
    assert hot[0]["answers"][0]["tuned"]["text"] == hot[1]["answers"][0]["tuned"]["text"]
    assert hot[0]["answers"][0]["tuned"]["text"] != greedy["answers"][0]["tuned"]["text"]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (
            [
                {
                    "messages": [
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": "Hi?"},
                        {"role": "assistant", "content": "Ho."},
                        {"role": "user", "content": "More?"},
                    ]
                }
            ],
            [
                Prompt(
                    "Hi?",
                    (
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": "Hi?"},
                    ),
                )
            ],
        ),
        ([{"prompt": "a", "completion": "b"}] * 2 + [{"prompt": "c"}], [Prompt("a"), Prompt("c")]),
        ([{"text": "one two three four five six seven eight nine"}], None),
        ([{"prompt": str(n)} for n in range(9)], [Prompt("0"), Prompt("1"), Prompt("2")]),
        ([{"messages": "?"}, {"messages": []}, {"prompt": 3}, [], {"text": " "}], []),
    ],
    ids=["chat", "completion", "text", "first few", "nothing"],
)
def test_prompts_come_from_the_data(
    tmp_path: Path, rows: list[Any], found: list[Prompt] | None
) -> None:
    lines = ["{damaged", *(json.dumps(row) for row in rows)]
    (tmp_path / "valid.jsonl").write_text("\n".join(lines))
    plan = RunPlan(model="nano", data=str(tmp_path))
    if found is None:
        found = [Prompt("one two three four five six seven eight", raw=True)]
    assert prompts.of(plan, []) == found
    assert prompts.of(plan, ["mine"]) == [Prompt("mine")]


def test_nothing_to_ask_is_said(own: RunDir, tmp_path: Path) -> None:
    from tests.results.test_choice import rewritten

    rewritten(own, 8, sample_prompts=[], data=str(tmp_path))
    with pytest.raises(CockpitError) as error:
        ask(own)
    assert "nothing to ask" in error.value.title and own.name in error.value.remedy
