"""What can be wrong with data: a table of kinds, and what was found, kind by kind and file by file.

The table is ``findings.toml``: a code, its severity, what it means, and the cure.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

KEPT_LINES = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table."""

    code: str
    severity: Severity
    means: str
    cure: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one line. ``column`` is 1-based, where reading it broke."""

    code: str
    detail: str = ""
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Everything of one kind in one file: the first lines and how many there are.

    ``lines`` is empty for what concerns a whole file; ``detail`` and ``column`` are the first's.
    """

    kind: Kind
    path: Path
    count: int
    lines: tuple[int, ...] = ()
    detail: str = ""
    column: int | None = None

    @property
    def code(self) -> str:
        return self.kind.code

    @property
    def severity(self) -> Severity:
        return self.kind.severity

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "file": str(self.path),
            "lines": list(self.lines),
            "column": self.column,
            "count": self.count,
            "detail": self.detail,
            "means": self.kind.means,
            "cure": self.kind.cure,
        }


@dataclass(slots=True)
class _Entry:
    detail: str
    column: int | None
    count: int = 0
    lines: list[int] = field(default_factory=list)


class Tally:
    """Collects findings in bounded memory, however many lines have them."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, Path], _Entry] = {}

    def note(self, path: Path, fault: Fault, line: int | None = None, count: int = 1) -> None:
        """Adds ``count`` of one kind; raises KeyError for a code that the table lacks."""
        key = (fault.code, path)
        entry = self._entries.get(key)
        if entry is None:
            kinds()[fault.code]
            entry = self._entries[key] = _Entry(fault.detail, fault.column)
        entry.count += count
        if line is not None and len(entry.lines) < KEPT_LINES and line not in entry.lines:
            entry.lines.append(line)

    def count(self, code: str, path: Path) -> int:
        entry = self._entries.get((code, path))
        return entry.count if entry else 0

    def findings(self) -> tuple[Finding, ...]:
        """Errors first, and otherwise in the order they were found."""
        found = list(self._findings())
        found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
        return tuple(found)

    def _findings(self) -> Iterator[Finding]:
        for (code, path), entry in self._entries.items():
            yield Finding(
                kinds()[code], path, entry.count, tuple(entry.lines), entry.detail, entry.column
            )


@cache
def kinds() -> dict[str, Kind]:
    """The table by code."""
    table = tomllib.loads((files("cockpit.data") / "findings.toml").read_text("utf-8"))
    return {
        code: Kind(code, severity, row["means"], row["cure"])
        for severity in SEVERITIES
        for code, row in table[severity].items()
    }
