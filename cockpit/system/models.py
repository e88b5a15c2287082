"""Which models are there: embedded, in the Hugging Face cache, in folders, or on the hub."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cockpit import catalogue, embedded
from cockpit.catalogue import CatalogueModel
from cockpit.core.model_spec import ModelSpec, text_config
from cockpit.core.quantization import parse_quantization
from cockpit.errors import CockpitError
from cockpit.system import hub_folders
from cockpit.system.model_files import ModelFiles
from cockpit.system.typed_path import expanded

Source = Literal["embedded", "cache", "folder", "hub"]
EMBEDDED_NAME = "nano"
_HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be named in a plan. ``path`` is None when it must be downloaded first.

    ``size_bytes`` is the size of its weight files. ``problem`` says in a few words why it
    cannot be trained; ``resolve`` raises the whole of it. ``needs_trust`` tells that it runs
    Python code of its own (``trust_remote_code``).
    """

    name: str
    path: Path | None
    source: Source
    model_type: str | None = None
    size_bytes: int | None = None
    quantization_bits: int | None = None
    problem: str | None = None
    needs_trust: bool = False


def list_models() -> list[ModelEntry]:
    """Every model found on this machine, usable ones first within each source."""
    found = [_entry(EMBEDDED_NAME, "embedded", ModelFiles.scan(embedded.nano_path()))]
    for entries in (_folders_here(), _cached()):
        found += sorted(entries, key=lambda entry: (entry.problem is not None, entry.name.lower()))
    return found


def resolve(name: str) -> ModelEntry:
    """The model that a plan names; CockpitError if it is not there or cannot be trained.

    Looks for the embedded model, then a folder, then the cache; another ``org/name`` is taken
    to be on the hub, and is not looked up there.
    """
    source, files = _find(name)
    if files is None:
        return ModelEntry(name, None, "hub")
    files.check()
    return _entry(name, source, files)


def spec(name: str) -> ModelSpec | None:
    """What ``resolve(name)`` is, from its config and headers; None if it is not here yet."""
    _, files = _find(name)
    return files.read()[0] if files else None


def files(name: str) -> ModelFiles | None:
    """The files of a model on this machine, unchecked; None if it is still on the hub."""
    return _find(name)[1]


def files_or_listed(name: str) -> tuple[ModelFiles | None, CatalogueModel | None]:
    """A model's files here, and what the catalogue holds of it; CockpitError for neither's name.

    A hub name that is neither is a pair of None.
    """
    listed = catalogue.find(name)
    try:
        return files(name), listed
    except CockpitError:
        if listed is None:
            raise
        return None, listed


def cache_folder() -> Path:
    """Where huggingface_hub keeps downloads."""
    return hub_folders.cache(os.environ)


def _find(name: str) -> tuple[Source, ModelFiles | None]:
    if name == EMBEDDED_NAME:
        return "embedded", ModelFiles.scan(embedded.nano_path())
    folder = expanded(name)
    if name and _is_folder(folder):
        return "folder", _scan(folder)
    if _is_file(folder):
        raise CockpitError(
            "The model is not a folder", str(folder), "Name the folder that holds config.json."
        )
    if cached := _cached_files(cache_folder() / f"models--{name.replace('/', '--')}", name):
        return "cache", cached
    if _HUB_NAME.match(name) and not _is_folder(folder.parent):
        return "hub", None
    raise _not_found(name, folder)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a parent that may not be entered
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _scan(folder: Path) -> ModelFiles:
    try:
        return ModelFiles.scan(folder)
    except OSError as error:
        raise CockpitError(
            "The model's folder cannot be read",
            f"{folder}: {error.strerror}",
            "Check its permissions, or choose another model.",
        ) from error


def _not_found(name: str, folder: Path) -> CockpitError:
    try:
        siblings = [p.name for p in folder.parent.iterdir() if p.is_dir()]
    except OSError:
        siblings = []
    near = [str(folder.parent / n) for n in difflib.get_close_matches(folder.name, siblings, n=2)]
    known = {entry.name.rpartition("/")[2].lower(): entry.name for entry in list_models()}
    near += [known[n] for n in difflib.get_close_matches(folder.name.lower(), known, n=2)]
    return CockpitError(
        "There is no such model",
        f"{name}: no folder, and not in {cache_folder()}",
        f"Did you mean {' or '.join(dict.fromkeys(near))}?"
        if near
        else "Name a folder, a hub name such as mlx-community/Qwen2.5-0.5B-Instruct-4bit, or nano.",
    )


def _entry(name: str, source: Source, files: ModelFiles) -> ModelEntry:
    problem, config = None, {}
    try:
        config = files.config()
        files.check()
    except CockpitError as error:
        problem = error.title
    text = text_config(config)
    packing = parse_quantization(config, text)
    return ModelEntry(
        name,
        files.folder,
        source,
        model_type=config.get("model_type"),
        size_bytes=files.size_bytes(),
        quantization_bits=packing.bits if packing else None,
        problem=problem,
        needs_trust=bool(config.get("model_file")),
    )


def _folders_here() -> Iterator[ModelEntry]:
    """Folders in the current one, and in ``models`` there, that hold a language model."""
    for parent in (Path(), Path("models")):
        try:
            children = sorted(p for p in parent.iterdir() if (p / "config.json").is_file())
        except OSError:
            continue
        for child in children:
            try:
                files = _scan(child)
                files.config()
            except CockpitError:
                continue
            yield _entry(f"./{child}", "folder", files)


def _cached() -> Iterator[ModelEntry]:
    try:
        folders = sorted(cache_folder().glob("models--*"))
    except OSError:
        return
    for folder in folders:
        name = folder.name.removeprefix("models--").replace("--", "/", 1)
        if files := _cached_files(folder, name):
            yield _entry(name, "cache", files)


def _cached_files(folder: Path, name: str) -> ModelFiles | None:
    """The snapshot that ``main`` points at; None if nothing of the model was ever fetched."""
    snapshot = _snapshot(folder)
    if snapshot is None:
        return None
    blobs = folder / "blobs"
    unfinished = sum(1 for _ in blobs.glob("*.incomplete")) if blobs.is_dir() else 0
    try:
        return ModelFiles.scan(snapshot, download=name, unfinished=unfinished)
    except OSError:
        return None


def _snapshot(folder: Path) -> Path | None:
    snapshots = folder / "snapshots"
    try:
        revision = (folder / "refs" / "main").read_text().strip()
    except (OSError, UnicodeDecodeError):
        revision = ""
    if revision and (snapshots / revision).is_dir():
        return snapshots / revision
    try:
        found = [p for p in snapshots.iterdir() if p.is_dir()]
    except OSError:
        return None
    return max(found, key=lambda p: p.stat().st_mtime, default=None)
