"""The process that does the work: it ends with its parent, and its death is explained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cockpit.errors import CockpitError
from cockpit.results import messages, prompts
from cockpit.results.child import Child
from cockpit.results.messages import Asked, Failed, Piece, Progress, Ready, Result
from cockpit.system import process
from cockpit.system.run_dir import RunDir

SECONDS = 120.0


def endless(run: RunDir) -> dict[str, Any]:
    """Answers that go on until somebody ends them."""
    texts = ["What does a cow say?"] * 100_000
    return {"run": str(run.path), "prompts": texts[:5000], "max_tokens": 500, "temperature": 2.0}


@pytest.fixture
def answering(trained: RunDir) -> Iterator[tuple[Child, Iterator[messages.Message]]]:
    with Child("answer", endless(trained)) as child:
        said = child.messages()
        assert any(isinstance(message, Piece) for message in said)
        yield child, said


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    "message",
    [
        Progress("loading", warning=True),
        Ready(4, True, "float32", ["passed over"]),
        Asked(1, "a\nb", "tuned"),
        Piece("\x1b[31m\u2028"),
        Result({"loss": 1.5}),
        Failed("What", "where", "how", 1),
    ],
)
def test_every_message_is_one_line_and_comes_back(message: messages.Message) -> None:
    line = messages.encode(message)
    assert "\n" not in line
    assert messages.decode(line + "\n") == message
    assert messages.decode(line[:-2]) is None


def test_a_child_that_is_killed_is_explained(answering: Any) -> None:
    child, said = answering
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(CockpitError) as error:
        list(said)
    assert error.value.exit_code == 1
    assert "SIGKILL" in error.value.message and "memory" in error.value.remedy


def test_a_child_that_is_ended_says_no_more(answering: Any) -> None:
    child, said = answering
    child.end()
    list(said)
    assert process.identity(child.pid) is None


def test_a_conversation_answers_one_question_after_the_other(trained: RunDir) -> None:
    """As ``answer`` does, from one process; a stop ends what was asked before it alone."""
    drawing = {"max_tokens": 12, "temperature": 1.0}
    (first,) = prompts.of(trained.plan(), [])
    with Child("answer", {"run": str(trained.path), "prompts": [first.text], **drawing}) as child:
        wanted = last_result(child)["answers"][0]
    with Child("converse", {"run": str(trained.path), "checkpoint": None}) as child:
        said = child.messages()
        child.tell({"prompt": first.text, **drawing})
        assert any(isinstance(m, Ready) and m.update == 8 for m in said)
        found = next(m.document for m in said if isinstance(m, Result))
        for side in ("base", "tuned"):
            assert found[side]["text"] == wanted[side]["text"]

        child.tell({"prompt": first.text, **drawing, "max_tokens": 1_000_000})
        assert any(isinstance(m, Piece) for m in said)
        child.tell({"stop": True})
        child.tell({"prompt": "Who?", **drawing, "temperature": 0.0})
        stopped = next(m.document for m in said if isinstance(m, Result))
        answered = next(m.document for m in said if isinstance(m, Result))
        assert stopped["stopped"] and not answered["stopped"]
        assert (answered["prompt"], answered["tuned"]["tokens"] > 0) == ("Who?", True)


def last_result(child: Child) -> dict[str, Any]:
    return [m for m in child.messages() if isinstance(m, Result)][-1].document


def test_a_child_ends_with_its_parent(trained: RunDir) -> None:
    code = (
        "import json, sys\n"
        "from cockpit.results.child import Child\n"
        "child = Child('answer', json.loads(sys.argv[1]))\n"
        "print(child.pid, flush=True)\n"
        "for message in child.messages(): print('more', flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(endless(trained))], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = process.identity(int(parent.stdout.readline()))
    assert child is not None and parent.stdout.readline() == b"more\n"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not process.is_alive(child))


def test_what_the_child_refuses_is_told_as_it_is(trained: RunDir) -> None:
    request = {"run": str(trained.path), "checkpoint": "7"}
    with Child("evaluate", request) as child, pytest.raises(CockpitError) as error:
        list(child.messages())
    assert error.value.title == "There is no such checkpoint" and error.value.exit_code == 2


@pytest.mark.parametrize(
    ("code", "title", "said"),
    [
        ("raise RuntimeError('[malloc] Unable to allocate 12345 bytes.')", "allocated", "12345"),
        ("raise ValueError('the head is missing')", "without a result", "the head is missing"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "without", "SIGSEGV"),
        ("print('{half')", "without a result", "exit code 0"),
    ],
)
def test_a_child_without_a_last_word_is_explained(code: str, title: str, said: str) -> None:
    with Child("answer", {}, (sys.executable, "-c", code)) as child:
        with pytest.raises(CockpitError) as error:
            list(child.messages())
        assert title in error.value.title and said in error.value.message
        assert error.value.remedy and error.value.exit_code == 1
