"""What a model and a data set are, by content: a name may move, and a folder may change."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cockpit.system.model_files import ModelFiles

# Of a weight file, beside its header: enough to tell two fine-tunings of one model apart.
PROBE_BYTES = 64 * 1024
TRAIN_FILE = "train.jsonl"
DATA_FILES = (TRAIN_FILE, "valid.jsonl")


def model_sha256(folder: Path) -> str:
    """Of config.json and, for every weight file, its size, its header and a few of its bytes.

    Takes milliseconds for gigabytes. Raises OSError if a file cannot be read.
    """
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in ModelFiles.scan(folder).weights():
        digest.update(path.name.encode())
        _add_weights(digest, path)
    return digest.hexdigest()


def data_sha256s(folder: Path) -> dict[str, str]:
    """Of each file that decides what is trained and validated, by its name; OSError."""
    found: dict[str, str] = {}
    for name in DATA_FILES:
        if (path := folder / name).is_file():
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _add_weights(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(size.to_bytes(8, "little"))
        start = min(size, 8 + int.from_bytes(file.read(8), "little"))
        file.seek(0)
        digest.update(file.read(start))
        for place in (start, (start + size) // 2, max(start, size - PROBE_BYTES)):
            file.seek(place)
            digest.update(file.read(PROBE_BYTES))
