"""Hardware profiles on disk: the shipped ones, the user's own, and saving a copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cockpit.core.profiles import HardwareProfile, parse_profile
from cockpit.errors import CockpitError


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """What the folders held: profiles by backend and size, and the files that could not be read."""

    profiles: tuple[HardwareProfile, ...]
    problems: tuple[CockpitError, ...]

    def get(self, name: str) -> HardwareProfile:
        """The profile of that name. Raises CockpitError listing those there are."""
        for profile in self.profiles:
            if profile.name == name:
                return profile
        known = ", ".join(profile.name for profile in self.profiles) or "none"
        raise CockpitError(
            "Unknown hardware profile", f"There is no profile {name!r}.", f"Choose from: {known}."
        )


def load_profiles(folders: Iterable[Path]) -> ProfileSet:
    """Every ``*.toml`` of the folders; a later folder's profile replaces an earlier namesake.

    A file that cannot be read becomes a problem and takes nothing else with it.
    """
    found: dict[str, HardwareProfile] = {}
    problems: list[CockpitError] = []
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            try:
                found[path.stem] = load_profile(path)
            except CockpitError as problem:
                problems.append(problem)
    order = {"metal": 0, "cuda": 1, "cpu": 2}
    profiles = sorted(found.values(), key=lambda p: (order[p.backend], p.budget_bytes, p.name))
    return ProfileSet(tuple(profiles), tuple(problems))


def load_profile(path: Path) -> HardwareProfile:
    """The profile in a file. Raises CockpitError with file, line and remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CockpitError(
            "Cannot read a hardware profile", f"{path}: {error}", "Make it readable UTF-8 text."
        ) from error
    return parse_profile(text, path.stem, str(path))


def save_profile(profile: HardwareProfile, folder: Path) -> Path:
    """Write ``<name>.toml`` beside and rename it. Raises CockpitError if the folder refuses."""
    path = folder / f"{profile.name}.toml"
    partial = path.with_name(path.name + ".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(profile.to_toml(), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise CockpitError(
            "Cannot save the hardware profile",
            f"{path}: {error}",
            "Free some space or set COCKPIT_HOME to a folder you can write to.",
        ) from error
    return path
