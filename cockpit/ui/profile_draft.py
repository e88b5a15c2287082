"""A hardware profile in the making: texts as typed, and what is wrong with them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from cockpit.core.profiles import Backend, HardwareProfile
from cockpit.errors import CockpitError
from cockpit.system import profile_files
from cockpit.ui.plan_fields import Kind

BACKENDS: tuple[str, ...] = get_args(Backend)
_NUMBERS = frozenset({"working_set_fraction", "memory_bandwidth_gb_s", "cpu_cores"})
_INFO = {field.alias or name: field for name, field in HardwareProfile.model_fields.items()}
# The guard's thresholds and ``validated`` are edited in the file.
FIELDS = tuple(name for name in _INFO if name not in ("guard", "validated"))


class ProfileDraft:
    """One text a field, as in the profile's file; ``name`` is what it will be saved as."""

    def __init__(self, profile: HardwareProfile, folders: Sequence[Path]):
        self._base = profile
        self._folders = folders
        self._before = _texts(profile)
        self._texts = dict(self._before)

    @property
    def name(self) -> str:
        return self._texts["name"]

    @property
    def of(self) -> str:
        """The profile it started from."""
        return self._base.name

    @property
    def changed(self) -> bool:
        """Whether there is anything to save."""
        return self._texts != self._before

    @property
    def overwrites(self) -> bool:
        """Whether saving writes over a profile of the user's own."""
        return (self._folders[-1] / f"{self.name}.toml").exists()

    def text(self, field: str) -> str:
        return self._texts[field]

    def set(self, field: str, text: str) -> None:
        """Takes a text as typed, right or wrong."""
        self._texts[field] = text.strip()

    def step(self, field: str, direction: int) -> bool:
        """Goes to the next choice; False where a field has none."""
        if field != "backend":
            return False
        at = BACKENDS.index(self.text(field)) if self.text(field) in BACKENDS else -direction
        self.set(field, BACKENDS[(at + direction) % len(BACKENDS)])
        return True

    def copy(self) -> None:
        """Gives it a name that is free."""
        name, number = f"my-{self._base.name.removeprefix('my-')}", 2
        while any((folder / f"{name}.toml").exists() for folder in self._folders):
            name, number = f"my-{self._base.name.removeprefix('my-')}-{number}", number + 1
        self.set("name", name)

    def profile(self) -> HardwareProfile:
        """The profile as it stands; CockpitError naming the field that is wrong."""
        profile_files.check_own(self.name, self._folders, overwrite=True)
        return self._made()

    def preview(self) -> HardwareProfile | None:
        """The profile whatever its name; None while a field is wrong."""
        try:
            return self._made()
        except CockpitError:
            return None

    def _made(self) -> HardwareProfile:
        fields = {name: text for name, text in self._texts.items() if name != "name"}
        return profile_files.edited(self._base, self.name or "unnamed", fields)

    def problem(self) -> tuple[str, CockpitError] | None:
        """What is wrong and the field to blame; None where all is well or nothing has changed."""
        if not self.changed:
            return None
        try:
            profile_files.check_own(self.name, self._folders, overwrite=True)
        except CockpitError as error:
            return "name", error
        try:
            self._made()
        except CockpitError as error:
            return _blamed(error), error
        return None

    def save(self) -> HardwareProfile:
        """Writes it into the user's folder; CockpitError if that cannot be."""
        profile = self.profile()
        profile_files.save_own(profile, self._folders, overwrite=True)
        self._base, self._before = profile, dict(self._texts)
        return profile


def kind(field: str) -> Kind:
    """How a field is edited."""
    return "choice" if field == "backend" else "number" if field in _NUMBERS else "text"


def about(field: str) -> str:
    """What a field means."""
    if field == "name":
        return "What it is saved as, in your own folder of profiles."
    return _INFO[field].description or "Anything worth knowing."


def _texts(profile: HardwareProfile) -> dict[str, str]:
    written = tomllib.loads(profile.to_toml()) | {"name": profile.name}
    return {name: _text(written.get(name, "")) for name in FIELDS}


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _blamed(error: CockpitError) -> str:
    said = error.message.partition(": ")[2]
    named = (name for name in FIELDS if re.match(rf"{name}\b", said))
    return next(named, next((name for name in FIELDS if re.search(rf"\b{name}\b", said)), "name"))
