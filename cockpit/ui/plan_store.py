"""Plans kept between sessions: files a person names, and the plan that was launched last."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import plan_file
from cockpit.system.home import home
from cockpit.system.typed_path import expanded

LAST = "last-plan.toml"


def path_of(typed: str) -> Path:
    """The file a typed path names: ``.toml`` unless it says otherwise."""
    path = expanded(typed)
    return path if path.suffix else path.with_suffix(".toml")


def save(plan: RunPlan, path: Path) -> None:
    """Writes a plan; CockpitError where its folder does not take it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        plan_file.write(plan, path)
    except OSError as error:
        remedy = "Name a folder you can write to."
        raise CockpitError("The plan could not be saved", f"{path}: {error}", remedy) from error


def load(path: Path) -> RunPlan:
    """The plan in a TOML file or a configuration of mlx_lm.lora; CockpitError naming the field."""
    return plan_file.read(path)


def remember(plan: RunPlan) -> None:
    """Keeps the plan that is launched; that it cannot be kept is no reason not to launch."""
    with suppress(CockpitError):
        save(plan, home() / LAST)


def last() -> RunPlan | None:
    """The plan launched last; None if there is none that can be read."""
    try:
        return load(home() / LAST)
    except CockpitError:
        return None
