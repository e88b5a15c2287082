"""The job ``converse``: both models stay in memory and answer what comes, one question at a time.

Questions come on standard input, one JSON object a line: ``{"prompt", "max_tokens",
"temperature"}``, or ``{"stop": true}``, which ends the answers to all that came before it. Each
question is answered as by ``answer``, with a Result at its end. The job ends with its input.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import Any

from cockpit.results import adapted, answer, prompts
from cockpit.results.adapted import Say
from cockpit.results.messages import Ready, Result
from cockpit.results.prompts import Prompt

Question = dict[str, Any]


def run(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """``request``: run, checkpoint. Returns how many questions there were."""
    model = adapted.load(request, say)
    choice = model.choice
    say(Ready(choice.update, choice.is_best, model.loaded.dtype, choice.warnings))
    # One of the plan's own prompts brings the conversation along that it has in the data.
    known = {prompt.text: prompt for prompt in prompts.of(choice.plan, [])}
    # Unbuffered: a thread that waits in a buffered reader would hold up the exit.
    questions = Questions(io.FileIO(0, closefd=False))
    number = 0
    for number, question in questions:
        prompt = known.get(question["prompt"], Prompt(question["prompt"]))
        answers = answer.both(
            model,
            number - 1,
            prompt,
            answer.encode(model, prompt),
            # The same question again is answered by other random numbers.
            answer.Drawing.of(question, seed=choice.plan.seed + number - 1),
            say,
            stopped=lambda: questions.stopped(number),  # noqa: B023
        )
        say(Result({"prompt": prompt.text, "stopped": questions.stopped(number)} | answers))
    return {"questions": number}


class Questions:
    """What the parent asks, read by a thread so that a stop is heard during an answer."""

    def __init__(self, lines: Iterable[bytes]):
        self._lines = lines
        self._asked = 0
        self._stopped = 0
        self._waiting: SimpleQueue[tuple[int, Question] | None] = SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def __iter__(self) -> Iterator[tuple[int, Question]]:
        """Each question with its number, from 1, until the parent closes its end."""
        while (found := self._waiting.get()) is not None:
            yield found

    def stopped(self, number: int) -> bool:
        return number <= self._stopped

    def _read(self) -> None:
        for line in self._lines:
            message = json.loads(line)
            if message.get("stop"):
                self._stopped = self._asked
            else:
                self._asked += 1
                self._waiting.put((self._asked, message))
        self._waiting.put(None)
