"""Hardware profiles: what a machine offers a run, as a TOML file a person can edit.

Sizes are written as ``"8 GiB"`` or ``"24 GB"`` (1 GiB = 2**30, 1 GB = 10**9 bytes). A profile's
name is its file's name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    model_validator,
)

from cockpit.core.guard_settings import GuardSettings
from cockpit.errors import CockpitError

Backend = Literal["metal", "cuda", "cpu"]

_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
NAME_PATTERN = r"[a-z0-9][a-z0-9.-]*"
GIB = 2**30


def parse_size(value: object) -> object:
    """Bytes of ``"8 GiB"``; a bare number is bytes already. Raises ValueError otherwise."""
    if not isinstance(value, str):
        return value
    units = {unit.lower(): factor for unit, factor in _UNITS.items()}
    match = _SIZE.fullmatch(value)
    if match is None or match[2].lower() not in units:
        raise ValueError(f'cannot read the size {value!r}: write it like "8 GiB" or "24 GB"')
    return round(float(match[1]) * units[match[2].lower()])


def format_size(size_bytes: int) -> str:
    """The size in the largest unit that says it exactly with at most two decimals."""
    for unit in ("TiB", "GiB", "TB", "GB", "MiB", "MB"):
        text = f"{size_bytes / _UNITS[unit]:.2f}".rstrip("0").rstrip(".")
        if size_bytes >= _UNITS[unit] and parse_size(f"{text} {unit}") == size_bytes:
            return f"{text} {unit}"
    return f"{size_bytes} B"


Size = Annotated[PositiveInt, BeforeValidator(parse_size)]


def metal_working_set_fraction(ram_bytes: int) -> float:
    """Metal's recommended working set over RAM, as Macs up to macOS 15 report it.

    Newer systems report more (macOS 26: 11.84 GiB of 16, 107.52 of 128); the smaller figure is
    the safe one, and a profile may state its own.
    """
    return 2 / 3 if ram_bytes <= 32 * GIB else 0.75


class HardwareProfile(BaseModel):
    """One machine. ``budget_bytes`` is what it offers a run's footprint.

    A TOML file leaves ``_bytes`` off the names: ``ram = "8 GiB"``.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True
    )

    name: str = Field(pattern=f"^{NAME_PATTERN}$", exclude=True)
    title: str = Field(min_length=1, description="What people call the machine.")
    backend: Backend = Field(description="Where MLX computes: metal, cuda or cpu.")
    chip: str | None = Field(None, description="The processor's or GPU's own name.")
    ram_bytes: Size | None = Field(
        None, alias="ram", description="Memory of the machine; may be left out for cuda."
    )
    gpu_memory_bytes: Size | None = Field(
        None, alias="gpu_memory", description="Memory of the CUDA device."
    )
    system_reserved_bytes: Annotated[int, BeforeValidator(parse_size), Field(ge=0)] = Field(
        alias="system_reserved",
        description="What the system and other programs keep: an assumption, edit it.",
    )
    working_set_bytes: Size | None = Field(
        None,
        alias="working_set",
        description="Metal's limit where known, as iogpu.wired_limit_mb sets it.",
    )
    working_set_fraction: float | None = Field(
        None, gt=0, le=1, description="Metal's share of RAM, if it is not the usual one."
    )
    memory_bandwidth_gb_s: float | None = Field(
        None, gt=0, description="Published bandwidth in GB/s (10**9 bytes)."
    )
    cpu_cores: PositiveInt | None = Field(None, description="Cores a run may use.")
    guard: GuardSettings = Field(
        GuardSettings(), description="When the guard warns and stops; a [guard] table."
    )
    notes: str = ""
    validated: bool = Field(False, description="Whether a run was measured on this machine.")

    @model_validator(mode="after")
    def _leaves_something(self) -> HardwareProfile:
        if self._memory_bytes is None:
            field = "gpu_memory" if self.backend == "cuda" else "ram"
            raise ValueError(f"a {self.backend} profile needs {field}")
        if self.budget_bytes <= 0:
            raise ValueError("system_reserved leaves nothing for a run")
        return self

    @property
    def _memory_bytes(self) -> int | None:
        return self.gpu_memory_bytes if self.backend == "cuda" else self.ram_bytes

    @property
    def metal_working_set_bytes(self) -> int | None:
        """How much Metal lets a process keep resident; None on other backends."""
        if self.backend != "metal" or self.ram_bytes is None:
            return None
        fraction = self.working_set_fraction or metal_working_set_fraction(self.ram_bytes)
        return self.working_set_bytes or int(self.ram_bytes * fraction)

    @property
    def budget_bytes(self) -> int:
        """What a run's footprint may reach before the machine pushes back.

        RAM, or the GPU's memory, less what is reserved; on Metal at most the working set.
        """
        left = (self._memory_bytes or 0) - self.system_reserved_bytes
        working_set = self.metal_working_set_bytes
        return left if working_set is None else min(left, working_set)

    def to_json(self) -> dict[str, Any]:
        """The profile in bytes, with its name and budget."""
        fields = self.model_dump(exclude_none=True)
        return {"name": self.name, **fields, "budget_bytes": self.budget_bytes}

    def to_toml(self) -> str:
        """The text of this profile's file, sizes as a person writes them."""
        import tomli_w

        fields = self.model_dump(by_alias=True, exclude_defaults=True, exclude_none=True)
        for name in ("ram", "gpu_memory", "system_reserved", "working_set"):
            if name in fields:
                fields[name] = format_size(fields[name])
        return tomli_w.dumps(fields)


def parse_profile(text: str, name: str, source: str = "profile") -> HardwareProfile:
    """The profile written in ``text``. Raises CockpitError naming line and field."""
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CockpitError(
            "A hardware profile is not TOML", f"{source}: {error}", "Correct that line."
        ) from error
    return profile_from(fields, name, source, text)


def profile_from(
    fields: Mapping[str, Any], name: str, source: str, text: str = ""
) -> HardwareProfile:
    """The profile of a file's fields. Raises CockpitError naming the field, and its line if any."""
    try:
        return HardwareProfile.model_validate({**fields, "name": name})
    except ValidationError as error:
        raise _explain(error, text, source) from error


def _explain(error: ValidationError, text: str, source: str) -> CockpitError:
    # A misspelt field is both unknown and missing: the unknown one is what was written.
    errors = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    first = errors[0]
    place = [str(part) for part in first["loc"]]
    field = ".".join(place)
    reason = f"{field}: {first['msg']}" if field else first["msg"]
    remedy = f"Correct {field or 'the file'}; profiles/ in the project has examples."
    if field == "name":
        reason = "the file's name is the profile's name"
        remedy = "Rename it to small letters, digits, dots and dashes, like m2-air-8.toml."
    elif first["type"] == "missing":
        reason = f"{field} is missing"
        remedy = f"Add {field}; profiles/ in the project has examples."
    elif first["type"] == "extra_forbidden":
        model = GuardSettings if len(place) > 1 else HardwareProfile
        known = (f.alias or n for n, f in model.model_fields.items() if n != "name")
        reason = f"unknown field {field}"
        remedy = f"Remove it, or use one of: {', '.join(known)}."
    line = _line_of(place[-1] if place else "", text)
    where = f"{source}, line {line}" if line else source
    return CockpitError(
        "A hardware profile cannot be used",
        f"{where}: {reason.replace('Value error, ', '')}",
        remedy,
    )


def _line_of(field: str, text: str) -> int | None:
    for number, line in enumerate(text.splitlines(), 1):
        if field and re.match(rf"""\s*(\[?["']?){re.escape(field)}["']?\s*[=\]]""", line):
            return number
    return None
