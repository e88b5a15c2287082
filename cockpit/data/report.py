"""What is known about a data set: counts, lengths and findings, as values and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.data import lengths
from cockpit.data.findings import Finding
from cockpit.system.dataset import SplitName


@dataclass(frozen=True, slots=True)
class SplitReport:
    """One split. ``usable`` examples could be trained on; the others have an error.

    ``form`` is the layout of the first row; ``tokens`` is None without usable examples.
    """

    name: SplitName
    paths: tuple[Path, ...]
    form: str | None
    examples: int
    usable: int
    characters: int
    tokens: lengths.Summary | None

    def to_json(self) -> dict[str, Any]:
        return {
            "files": [str(path) for path in self.paths],
            "format": self.form,
            "examples": self.examples,
            "usable": self.usable,
            "characters": self.characters,
            "lengths": self.tokens.to_json() if self.tokens else None,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a rendered example: ``masked`` and ``learned``, or ``cut`` off at the end.

    ``tokens`` is None where they were not counted.
    """

    role: str
    text: str
    tokens: int | None

    def to_json(self) -> dict[str, Any]:
        return {"part": self.role, "tokens": self.tokens, "text": self.text}


@dataclass(frozen=True, slots=True)
class RenderedExample:
    """One training example as the model sees it. ``problem`` says why there is none."""

    number: int
    path: Path
    line: int
    parts: tuple[Part, ...]
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "file": str(self.path),
            "line": self.line,
            "parts": [part.to_json() for part in self.parts],
            "problem": self.problem or None,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A data set, examined. ``model`` is whose tokenizer counted; None for an estimate.

    ``cuts``, ``recommended``, ``histogram`` and ``batching`` are about the training split.
    """

    where: Path
    model: str | None
    splits: tuple[SplitReport, ...]
    cuts: tuple[lengths.Cut, ...]
    recommended: int | None
    histogram: tuple[lengths.Bin, ...]
    batching: lengths.Batching | None
    findings: tuple[Finding, ...]
    example: RenderedExample | None = None

    @property
    def trainable(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    def split(self, name: SplitName) -> SplitReport | None:
        return next((split for split in self.splits if split.name == name), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.where),
            "trainable": self.trainable,
            "model": self.model,
            "tokens_are": "counted" if self.model else "estimated",
            "splits": {split.name: split.to_json() for split in self.splits},
            "truncation": [cut.to_json() for cut in self.cuts],
            "recommended_max_seq_length": self.recommended,
            "histogram": [one.to_json() for one in self.histogram],
            "batching": self.batching.to_json() if self.batching else None,
            "findings": [finding.to_json() for finding in self.findings],
            "example": self.example.to_json() if self.example else None,
        }
