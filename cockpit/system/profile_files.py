"""Hardware profiles on disk: the shipped ones, the user's own, and saving a copy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

from cockpit.core.profiles import NAME_PATTERN, HardwareProfile, parse_profile, profile_from
from cockpit.errors import CockpitError
from cockpit.system import whole_file

# Not a file's name: the machine at hand, which needs none.
THIS_MACHINE = "this-machine"
_TEXTS = frozenset({"title", "backend", "chip", "notes"})
_TEXTS |= {"ram", "gpu_memory", "system_reserved", "working_set"}


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """What the folders held: profiles by backend and size, and the files that could not be read.

    ``broken`` are the names of the latter, each with its problem.
    """

    profiles: tuple[HardwareProfile, ...]
    problems: tuple[CockpitError, ...]
    broken: Mapping[str, CockpitError] = dataclass_field(default_factory=dict)

    def get(self, name: str) -> HardwareProfile:
        """The profile of that name. Raises CockpitError: what is wrong with it, or those there are.

        One of the user's own that is broken is not silently the shipped one of its name.
        """
        if name in self.broken:
            raise self.broken[name]
        for profile in self.profiles:
            if profile.name == name:
                return profile
        known = ", ".join(dict.fromkeys([THIS_MACHINE, *(p.name for p in self.profiles)]))
        raise CockpitError(
            "Unknown hardware profile", f"There is no profile {name!r}.", f"Choose from: {known}."
        )


def load_profiles(folders: Iterable[Path]) -> ProfileSet:
    """Every ``*.toml`` of the folders; a later folder's profile replaces an earlier namesake.

    A file that cannot be read becomes a problem and takes nothing else with it.
    """
    found: dict[str, HardwareProfile] = {}
    problems: list[CockpitError] = []
    broken: dict[str, CockpitError] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            try:
                found[path.stem] = load_profile(path)
            except CockpitError as problem:
                problems.append(problem)
                broken[path.stem] = problem
            else:
                broken.pop(path.stem, None)
    order = {"metal": 0, "cuda": 1, "cpu": 2}
    profiles = sorted(found.values(), key=lambda p: (order[p.backend], p.budget_bytes, p.name))
    return ProfileSet(tuple(profiles), tuple(problems), broken)


def load_profile(path: Path) -> HardwareProfile:
    """The profile in a file. Raises CockpitError with file, line and remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CockpitError(
            "Cannot read a hardware profile", f"{path}: {error}", "Make it readable UTF-8 text."
        ) from error
    return parse_profile(text, path.stem, str(path))


def edited(profile: HardwareProfile, name: str, changes: Mapping[str, str]) -> HardwareProfile:
    """``profile`` under ``name`` with fields set to texts, as a person types them.

    A field is named as in the file (``ram``, ``guard.stop_share``), and an empty text removes it.
    Raises CockpitError naming the field.
    """
    fields = tomllib.loads(profile.to_toml())
    if name != profile.name:
        fields.pop("validated", None)  # nothing was measured on the copy
    for field, text in changes.items():
        _set(fields, field.split("."), text.strip())
    return profile_from(fields, name, f"profile {name}")


def _set(fields: dict[str, Any], place: list[str], text: str) -> None:
    for table in place[:-1]:
        inner = fields.setdefault(table, {})
        if not isinstance(inner, dict):
            inner = fields[table] = {}
        fields = inner
    if text:
        fields[place[-1]] = _value(place[-1], text)
    else:
        fields.pop(place[-1], None)


def _value(field: str, text: str) -> Any:
    """A number where the field is one; sizes and names are texts."""
    if field in _TEXTS:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def check_own(name: str, folders: Sequence[Path], *, overwrite: bool) -> None:
    """Refuses a name that the user cannot save under; ``folders`` as ``profile_folders()``.

    A shipped profile is never written over, one of the user's own only with ``overwrite``.
    """
    *shipped, own = folders
    if not re.fullmatch(NAME_PATTERN, name):
        raise CockpitError(
            "A profile cannot have that name",
            f"{name!r}: its name is its file's name",
            "Use small letters, digits, dots and dashes, like my-mac.",
        )
    if any((folder / f"{name}.toml").exists() for folder in shipped):
        raise CockpitError(
            "That name belongs to a profile that is not yours",
            f"{name} comes with the cockpit",
            "Save it under another name, like my-mac.",
        )
    path = own / f"{name}.toml"
    if path.exists() and not overwrite:
        raise ProfileExists(
            "There is such a profile already", str(path), "Say so to write over it, or rename it."
        )


class ProfileExists(CockpitError):
    """A profile of the user's own would be written over."""


def save_own(profile: HardwareProfile, folders: Sequence[Path], *, overwrite: bool) -> Path:
    """Writes a profile into the user's folder, the last of ``folders``; see ``check_own``."""
    check_own(profile.name, folders, overwrite=overwrite)
    return save_profile(profile, folders[-1])


def save_profile(profile: HardwareProfile, folder: Path) -> Path:
    """Write ``<name>.toml`` beside and rename it. Raises CockpitError if the folder refuses."""
    path = folder / f"{profile.name}.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        whole_file.write(path, profile.to_toml())
    except OSError as error:
        raise CockpitError(
            "Cannot save the hardware profile",
            f"{path}: {error}",
            "Free some space or set COCKPIT_HOME to a folder you can write to.",
        ) from error
    return path
