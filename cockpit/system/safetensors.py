"""Headers of safetensors files: the first kilobytes tell what the gigabytes hold."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.core.tensors import Tensor

# The format's own limit on a header.
MAX_HEADER_BYTES = 100_000_000


class DamagedError(Exception):
    """The file is not a whole safetensors file; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Header:
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_header(path: Path) -> Header:
    """The header of a complete file; DamagedError for a truncated or foreign one, OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= MAX_HEADER_BYTES:
            raise DamagedError("it is not a safetensors file" if size >= 8 else "it is cut short")
        if 8 + length > size:
            raise DamagedError("it is cut short inside its header")
        text = file.read(length)
    try:
        document = json.loads(text)
        metadata = document.pop("__metadata__", {})
        tensors = {name: _tensor(entry) for name, entry in document.items()}
        end = max((entry["data_offsets"][1] for entry in document.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DamagedError("its header cannot be read") from error
    if 8 + length + end > size:
        raise DamagedError(f"it is cut short: {size:,} of {8 + length + end:,} bytes are there")
    return Header(tensors, metadata if isinstance(metadata, dict) else {})


def _tensor(entry: Any) -> Tensor:
    return Tensor(str(entry["dtype"]), tuple(int(n) for n in entry["shape"]))
