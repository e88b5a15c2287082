"""A data set's report for people: a table, a histogram, findings with their cures."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator

from cockpit.cli import output
from cockpit.core.format import NOT_AVAILABLE, count, plain, plain_lines
from cockpit.data.convert import REJECTED, Conversion
from cockpit.data.findings import Finding
from cockpit.data.lengths import Bin, Cut
from cockpit.data.report import RenderedExample, Report

SHOWN_EXAMPLE_LINES = 8
_MARKS = {"error": "ERROR", "warning": "WARN", "note": "note"}
# What the loss does with a stretch of an example, told in the margin.
_MARGINS = {"masked": ".", "learned": "|", "cut": "x"}
_PARTS = {
    "masked": "masked: read, not learned",
    "learned": "learned: the loss is here",
    "cut": "cut off by max_seq_length",
}


def print_conversion(conversion: Conversion) -> None:
    written = ", ".join(f"{name} {n:,}" for name, n in conversion.examples.items())
    found = ", ".join(f"{form} ({n:,})" for form, n in conversion.forms.items())
    _say(f"converted to {conversion.folder}: {written}; found {found}")
    if conversion.rejected:
        said = f"{conversion.rejected:,} could not be converted"
        _say(f"  {said}: see {conversion.folder / REJECTED}")
    print()


def print_report(report: Report, *, whole_example: bool) -> None:
    _say(f"{report.where}: {_verdict(report)}")
    if report.splits:
        print()
        _print_splits(report)
        _print_lengths(report)
    if report.example is not None:
        _print_example(report.example, whole=whole_example)
    if report.findings:
        print()
    for finding in report.findings:
        _print_finding(report, finding)


def _verdict(report: Report) -> str:
    counts = dict.fromkeys(_MARKS, 0)
    for finding in report.findings:
        counts[finding.severity] += 1
    said = [_number(n, name) for name, n in counts.items() if n]
    word = "can be trained on" if report.trainable else "cannot be trained on as it is"
    return f"{word} ({', '.join(said) or 'nothing found'})"


def _number(n: int, name: str) -> str:
    return f"{n:,} {name}" if n == 1 else f"{n:,} {name}s"


def _print_splits(report: Report) -> None:
    rows = []
    for split in report.splits:
        found, about = split.tokens, "" if report.model else "~"
        numbers = (
            (found.tokens, *map(found.percentile, (50, 95, 99)), found.longest) if found else ()
        )
        shown = [about + count(number) for number in numbers] or [NOT_AVAILABLE] * 5
        form = split.form or NOT_AVAILABLE
        rows.append((split.name, form, count(split.examples), count(split.usable), *shown))
    output.print_table(
        ("SPLIT", "FORMAT", "EXAMPLES", "USABLE", "TOKENS", "MEDIAN", "95%", "99%", "LONGEST"), rows
    )
    if report.model:
        _say(f"tokens counted with the tokenizer and chat template of {report.model}")
    else:
        print("~ rough estimates; count the tokens with: --model MODEL")


def _print_lengths(report: Report) -> None:
    if not report.histogram:
        return
    print()
    print(histogram(report))
    print()
    cuts = [
        (
            count(cut.max_seq_length) + (" <- recommended" if _is_recommended(report, cut) else ""),
            f"{count(cut.examples)} ({_share(cut.share)})",
            _share(cut.tokens_share),
        )
        for cut in report.cuts
    ]
    output.print_table(("MAX_SEQ_LENGTH", "EXAMPLES CUT", "TOKENS LOST"), cuts)
    if batching := report.batching:
        print(
            f"\nbatch_size {batching.batch_size}, max_seq_length {batching.max_seq_length:,}: "
            f"{_number(batching.iterations_per_epoch, 'iteration')} an epoch "
            f"({_number(batching.updates_per_epoch, 'update')}), "
            f"{_share(batching.padding_share)} padding"
        )


def _is_recommended(report: Report, cut: Cut) -> bool:
    return cut.max_seq_length == report.recommended


def _share(share: float) -> str:
    """Rounded, and never to a 0% or 100% that is not exact."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}" if share % 1 else f"{share:.0%}"


def histogram(report: Report) -> str:
    """Training examples by length, drawn by plotext."""
    import plotext

    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    bins = report.histogram
    plotext.clear_figure()
    plotext.plotsize(width, 14)
    plotext.bar([_label(b) for b in bins], [b.examples for b in bins], width=1)
    plotext.title("training examples by tokens" + ("" if report.model else " (estimated)"))
    places = list(range(1, len(bins) + 1, max(1, -(-len(bins) // (width // 10)))))
    plotext.xticks(places, [_label(bins[place - 1]) for place in places])
    bare = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    coloured = sys.stdout.isatty() and not bare
    if not coloured:
        plotext.theme("clear")
    drawing = str(plotext.build()).rstrip()
    return drawing if coloured else str(plotext.uncolorize(drawing))


def _label(one: Bin) -> str:
    return f"{one.low:,}+" if one.high is None else f"{one.low:,}"


def _print_example(example: RenderedExample, *, whole: bool) -> None:
    print()
    _say(f"training example {example.number:,} ({example.path.name} line {example.line:,})")
    if example.problem:
        _say(f"  {example.problem}")
    left = None if whole else SHOWN_EXAMPLE_LINES
    for part in example.parts:
        tokens = f" ({_number(part.tokens, 'token')})" if part.tokens is not None else ""
        _say(f"  {_PARTS[part.role]}{tokens}")
        lines = list(_wrapped(part.text))
        for line in lines if left is None else lines[:left]:
            _say(f"  {_MARGINS[part.role]} {line}")
        if left is not None:
            if len(lines) > left:
                _say(f"    ... {len(lines) - left:,} more lines: --example {example.number}")
            left = max(2, left - len(lines))


def _wrapped(text: str) -> Iterator[str]:
    width = min(100, shutil.get_terminal_size((80, 24)).columns) - 4
    for line in plain_lines(text):
        yield from textwrap.wrap(line, width, drop_whitespace=False) or [""]


def _print_finding(report: Report, finding: Finding) -> None:
    place = _place(report, finding)
    _say(f"{_MARKS[finding.severity]:<5} {finding.code}  {place}")
    detail = finding.detail + (f", column {finding.column}" if finding.column else "")
    said = f" ({detail.strip(', ')})" if detail else ""
    _print_wrapped(finding.kind.means + said, "      ")
    _print_wrapped(finding.kind.cure, "   -> ")


def _place(report: Report, finding: Finding) -> str:
    name = str(finding.path)
    if finding.path != report.where and finding.path.is_relative_to(report.where):
        name = str(finding.path.relative_to(report.where))
    if not finding.lines:
        return name
    lines = ", ".join(map(str, finding.lines))
    word = "line" if len(finding.lines) == 1 else "lines"
    more = ", ..." if finding.count > len(finding.lines) else ""
    times = f" ({finding.count:,} times)" if finding.count > 1 else ""
    return f"{name} {word} {lines}{more}{times}"


def _print_wrapped(text: str, first: str) -> None:
    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    indent = " " * len(first)
    for line in textwrap.wrap(
        plain(text), width, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
    ):
        print(line)


def _say(text: str) -> None:
    print(plain(text))
