"""A data set's report as lines: what the data screen draws, from the document of ``--json``."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from cockpit.core import format as fmt
from cockpit.ui.bars import LEVELS
from cockpit.ui.spans import Line, Role, line, pad

Document = dict[str, Any]

SIGNS = {"error": "✗", "warning": "!", "note": "·"}
ROLES: dict[str, Role] = {"error": "bad", "warning": "warn", "note": "label"}
_MARGINS = {"masked": ".", "learned": "|", "cut": "x"}


def overview(document: Document, width: int) -> list[Line]:
    """Verdict, splits, the histogram of lengths, what is cut, and how an epoch is batched."""
    return [
        _verdict(document),
        *_splits(document),
        *_histogram(document, width),
        *_advice(document),
    ]


def finding_row(finding: Document) -> Line:
    severity = finding["severity"]
    place = fmt.plain(Path(finding["file"]).name)
    if finding["lines"]:
        more = ", …" if finding["count"] > len(finding["lines"]) else ""
        place += " line " + ", ".join(map(str, finding["lines"])) + more
    times = f"  ×{finding['count']:,}" if finding["count"] > 1 else ""
    head = pad(f"{SIGNS[severity]} {finding['code']}", 26)
    return line((head, ROLES[severity]), place, (times, "label"))


def finding_detail(finding: Document, width: int) -> list[Line]:
    """What it means and the cure, wrapped."""
    detail = fmt.plain(finding["detail"])
    means = finding["means"] + (f" ({detail})" if detail else "")
    cure = textwrap.wrap(finding["cure"], max(20, width - 5), break_on_hyphens=False)
    return [
        *(line(" ", text) for text in textwrap.wrap(means, max(20, width - 3))),
        *(line((" → " if not i else "   ", "accent"), text) for i, text in enumerate(cure)),
    ]


def example_text(document: Document) -> str:
    """The rendered example with the loss mask in its margin, for a dialog."""
    example = document["example"]
    if example is None:
        return "There is no training example."
    said = [f"{example['file']} line {example['line']}", example["problem"] or ""]
    said += ["", "| learned   . masked, read but not learned   x cut off", ""]
    for part in example["parts"]:
        margin = _MARGINS[part["part"]]
        said += [f"{margin} {text}" for text in fmt.plain_lines(part["text"])]
    return "\n".join(said)


def _verdict(document: Document) -> Line:
    good = document["trainable"]
    counts = [
        f"{number} {name}{'' if number == 1 else 's'}"
        for name in SIGNS
        if (number := sum(f["severity"] == name for f in document["findings"]))
    ]
    word = "✓ can be trained on" if good else "✗ cannot be trained on as it is"
    return line((f" {word}", "good" if good else "bad"), f"   {', '.join(counts)}")


def _splits(document: Document) -> list[Line]:
    about = "" if document["model"] else "~"
    whose = fmt.plain(document["model"] or "estimated, name a model to count them")
    found = [line((f" {'':<7}{'examples':>10}{'tokens':>14}{'median':>9}{'99%':>9}{'longest':>10}"
                   f"   {whose}", "label"))]  # fmt: skip
    for name, split in document["splits"].items():
        known = split["lengths"]
        cells = [known[key] for key in ("tokens", "p50", "p99", "max")] if known else [None] * 4
        texts = [fmt.count(cell) if cell is None else about + fmt.count(cell) for cell in cells]
        numbers = "".join(f"{text:>{w}}" for text, w in zip(texts, (14, 9, 9, 10), strict=True))
        form = fmt.plain(split["format"] or fmt.NOT_AVAILABLE)
        found.append(line(f" {name:<7}{fmt.count(split['examples']):>10}{numbers}   {form}"))
    return found


def _histogram(document: Document, width: int) -> list[Line]:
    """One line of bars, each twice as wide where there is room, and its ends beneath."""
    bins = document["histogram"]
    if not bins:
        return []
    highest = max(one["examples"] for one in bins)
    wide = 2 if len(bins) * 2 + 4 <= width else 1
    bars = "".join(_level(one["examples"], highest) * wide for one in bins)
    last = bins[-1]
    end = f"{last['low']:,}+" if last["high"] is None else f"{last['high']:,}"
    start = f"{bins[0]['low']:,}"
    ends = start + end.rjust(max(len(end) + 1, len(bars) - len(start)))
    return [line("  ", (bars, "train")), line((f"  {ends} tokens", "label"))]


def _level(examples: int, highest: int) -> str:
    return LEVELS[min(7, examples * 8 // (highest + 1))] if examples else " "


def _advice(document: Document) -> list[Line]:
    found = []
    if (recommended := document["recommended_max_seq_length"]) is not None:
        over = [c for c in document["truncation"] if c["max_seq_length"] == recommended]
        cut = f", which cuts {over[0]['examples']:,}" if over and over[0]["examples"] else ""
        found.append(line((" max_seq_length ", "label"), f"{recommended:,} is enough{cut}"))
    if batching := document["batching"]:
        found.append(
            line(
                (" an epoch is ", "label"),
                f"{batching['iterations_per_epoch']:,} iterations of {batching['batch_size']}, "
                f"{batching['padding_share']:.0%} padding at {batching['max_seq_length']:,}",
            )
        )
    return found
