"""``cockpit data`` as a child process: reading millions of lines must not hold up the screen."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from cockpit.core.format import plain
from cockpit.errors import CockpitError

# Fields of the plan that change what is found.
FIELDS = ("mask_prompt", "max_seq_length", "batch_size", "grad_accumulation_steps", "seed", "iters")


def command(folder: str, model: str, texts: Mapping[str, str]) -> list[str]:
    """The command line for a folder, a model ("" to estimate) and fields as they were typed."""
    found = [sys.executable, "-m", "cockpit", "data", "--json", f"--data={folder}"]
    if model:
        found.append(f"--model={model}")
    for name in FIELDS:
        text = texts.get(name, "")
        flag = name.replace("_", "-")
        if text == "on":
            found.append(f"--{flag}")
        elif text and text != "off":
            found.append(f"--{flag}={text}")
    return found


class DataCheck:
    """One examination; ``cancel`` ends its process."""

    def __init__(self, command: list[str]):
        self._command = command
        self._child: subprocess.Popen[str] | None = None
        self.cancelled = False

    def run(self, progress: Callable[[str], object]) -> dict[str, Any]:
        """The report as ``cockpit data --json`` prints it; blocks.

        Raises CockpitError if there is none.
        """
        with subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as child:
            self._child = child
            if self.cancelled:
                child.kill()
            assert child.stdout is not None and child.stderr is not None
            # The report is printed at the end, when nothing more is said.
            said = ""
            for said in child.stderr:
                progress(plain(said.strip()))
            answer = child.stdout.read()
        return _document(answer, said)

    def cancel(self) -> None:
        self.cancelled = True
        if self._child is not None and self._child.poll() is None:
            self._child.kill()


def _document(answer: str, said: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise CockpitError(
            "The data could not be examined", plain(said.strip()), "Try: cockpit data DIR"
        ) from None
    if "error" in document:
        raise CockpitError(**document["error"])
    return document
