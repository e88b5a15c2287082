"""A person's own words about a run, in ``tags.json`` beside its plan.

The file may be edited by hand: ``{"tags": ["baseline", "night"]}``. Whatever is wrong with it,
the run has no tags then and nothing else happens; it is set aside before it is written over.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cockpit.core.format import plain
from cockpit.errors import CockpitError
from cockpit.system import whole_file
from cockpit.system.run_dir import RunDir

TAGS_NAME = "tags.json"
DAMAGED_NAME = "tags.json.damaged"
MOST_TAGS = 32
MOST_CHARACTERS = 40
# More than the longest list of tags can take.
_LIMIT_BYTES = 64 * 1024


def read(run: RunDir) -> tuple[str, ...]:
    """The run's tags as they may be shown, in the order they were given. Never raises."""
    try:
        return _tags_in(_document(_path(run)))
    except (OSError, ValueError):
        return ()


def write(run: RunDir, tags: Iterable[str]) -> tuple[str, ...]:
    """Makes ``tags`` the run's own and returns them as they were kept.

    Written beside and renamed. Raises CockpitError for too many or too long ones, and where the
    run's folder takes no file.
    """
    kept = _checked(tags)
    path = _path(run)
    try:
        _set_damaged_aside(path)
        whole_file.write(path, json.dumps({"tags": kept}, ensure_ascii=False) + "\n")
    except OSError as error:
        raise CockpitError(
            "The tags could not be kept",
            f"{path}: {error.strerror}",
            "Free some space, or make the run's folder writable.",
            exit_code=1,
        ) from error
    return kept


def parse(typed: str) -> tuple[str, ...]:
    """The tags in a line of text, between spaces or commas, with or without a ``#``."""
    return cleaned(typed.replace(",", " ").split())


def cleaned(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they may be shown and compared: each once, whatever its case."""
    kept: dict[str, str] = {}
    for tag in tags:
        text = "-".join(plain(unicodedata.normalize("NFC", tag)).split()).lstrip("#")
        if text:
            kept.setdefault(text.casefold(), text)
    return tuple(kept.values())


def added(tags: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return cleaned((*tags, *more))


def removed(tags: Iterable[str], fewer: Iterable[str]) -> tuple[str, ...]:
    """``tags`` without ``fewer``; CockpitError naming those that it never had."""
    kept = {tag.casefold(): tag for tag in cleaned(tags)}
    missing = [tag for tag in cleaned(fewer) if kept.pop(tag.casefold(), None) is None]
    if missing:
        there = ", ".join(cleaned(tags)) or "it has none"
        raise CockpitError("The run has no such tag", ", ".join(missing), f"Its tags: {there}.")
    return tuple(kept.values())


def _checked(tags: Iterable[str]) -> tuple[str, ...]:
    kept = cleaned(tags)
    if len(kept) > MOST_TAGS:
        remedy = f"Keep the {MOST_TAGS} that tell most."
        raise CockpitError("Those are too many tags", f"{len(kept)} of them", remedy)
    if long := [tag for tag in kept if len(tag) > MOST_CHARACTERS]:
        remedy = f"A tag has at most {MOST_CHARACTERS} characters."
        raise CockpitError("A tag is too long", long[0], remedy)
    return kept


def _path(run: RunDir) -> Path:
    return run.path / TAGS_NAME


def _document(path: Path) -> Any:
    """What the file holds; OSError, or ValueError if that is no JSON."""
    with path.open("rb") as file:
        text = file.read(_LIMIT_BYTES + 1)
    if len(text) > _LIMIT_BYTES:
        raise ValueError("too long for a list of tags")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _tags_in(document: Any) -> tuple[str, ...]:
    found = document.get("tags") if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise ValueError("no list of tags")
    texts = [tag[:MOST_CHARACTERS] for tag in found if isinstance(tag, str)]
    return cleaned(texts)[:MOST_TAGS]


def _set_damaged_aside(path: Path) -> None:
    try:
        _tags_in(_document(path))
    except FileNotFoundError:
        return
    except ValueError:
        path.rename(path.with_name(DAMAGED_NAME))
