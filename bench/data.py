"""`cockpit data` on a million lines: seconds and peak memory of the whole command.

Writes chats of everyday length, one a line, with a few of everything that is looked for, and
runs the command on them as a process: with estimated tokens, with a model's tokenizer and chat
template, and converting and splitting anew. Prints a table; exits 1 beyond the limits.

    python bench/data.py [--lines 1000000] [--model nano] [--seconds 120] [--megabytes 300]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_TEXT = (
    "the of and to in is was for on that with as by at from are this be it an or which have "
    "not were but has had its their one also been more other first two after who can she may "
    "they over only time when some into people could year between city most during later "
    "where through world made under school state being both before same until second number"
)
WORDS = _TEXT.split()


@dataclass(frozen=True)
class Measured:
    what: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    examples: int


def write(folder: Path, lines: int) -> int:
    """Training and validation data of about 300 bytes a line; returns their size in bytes."""
    draw = random.Random(0)
    folder.mkdir()
    for name, count in (("train", lines - lines // 100), ("valid", lines // 100)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for number in range(count):
                file.write(_line(name, number, draw))
    return sum(path.stat().st_size for path in folder.iterdir())


def _line(name: str, number: int, draw: random.Random) -> str:
    question = " ".join(draw.choices(WORDS, k=draw.randint(5, 25)))
    answer = " ".join(draw.choices(WORDS, k=draw.randint(5, 50)))
    if number % 1000 == 7:
        answer = draw.choice(["", "caf\ufffd", "done<|im_end|>", "naïve — “yes”"])
    if number % 10_000 == 11:
        return "{broken\n"
    # Every hundredth is a twin of the one before it.
    label = f"{name} {number - (number % 100 == 99)}"
    turns = [("user", f"{label}: {question}"), ("assistant", answer)]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    return json.dumps(row, ensure_ascii=number % 2 == 0) + "\n"


def run(what: str, *arguments: str) -> Measured:
    """Runs the command to its end; raises SystemExit unless it reported on the data."""
    started = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "cockpit", "data", *arguments, "--json"], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    answer = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    document = json.loads(answer)
    if child.returncode == 2 or "splits" not in document:
        raise SystemExit(f"{what}: {document}")
    examples = sum(split["examples"] for split in document["splits"].values())
    unit = 1 if sys.platform == "darwin" else 1024
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Measured(what, seconds, cpu_seconds, usage.ru_maxrss * unit, examples)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--megabytes", type=float, default=300.0)
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "data", Path(place) / "out"
        size = write(folder, options.lines)
        print(f"{options.lines:,} lines, {size / 1e6:.0f} MB, {os.cpu_count()} cores")
        measured = [
            run("estimated", str(folder)),
            run(f"tokens of {options.model}", str(folder), "--model", options.model),
            run("convert and split", str(folder), "--convert", str(out), "--split", "90/5/5"),
        ]
    print(f"{'':<22}{'seconds':>9}{'of CPU':>9}{'peak MB':>9}{'examples/s':>12}")
    for one in measured:
        rate = one.examples / one.seconds
        figures = f"{one.seconds:>9.1f}{one.cpu_seconds:>9.1f}{one.peak_bytes / 1e6:>9.0f}"
        print(f"{one.what:<22}{figures}{rate:>12,.0f}")
    if options.json is not None:
        document = {"lines": options.lines, "bytes": size, "runs": [asdict(m) for m in measured]}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    reports = measured[:2]  # the conversion reads everything twice
    over = [
        m for m in reports if m.seconds > options.seconds or m.peak_bytes > options.megabytes * 1e6
    ]
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
