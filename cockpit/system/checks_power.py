"""Doctor's checks of the power source and of what the system does when nobody touches it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from cockpit.system.checks import Check
from cockpit.system.sensors.files import read_text

_ANSWER_SECONDS = 5.0
_UNVALIDATED = "not validated on a Mac"

# The arguments of pmset to what it prints; None where it could not be asked.
Pmset = Callable[[str], str | None]


def ask_pmset(what: str) -> str | None:
    """``pmset -g WHAT``; it needs no root."""
    tool = shutil.which("pmset") or "/usr/bin/pmset"
    try:
        done = subprocess.run(
            [tool, "-g", what],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def mac_power(pmset: Pmset = ask_pmset) -> list[Check]:
    """Power source, Low Power Mode and idle sleep of a Mac, as pmset tells them."""
    source = parse_source(pmset("batt"))
    settings = parse_settings(pmset("custom")).get(source or "", {})
    return [_mac_source(source, settings), _mac_sleep(settings)]


def parse_source(answer: str | None) -> str | None:
    """``Now drawing from 'AC Power'`` -> ``AC Power``."""
    found = re.search(r"drawing from '([^']+)'", answer or "")
    return found[1] if found else None


def parse_settings(answer: str | None) -> dict[str, dict[str, int]]:
    """The numbers under each power source's heading."""
    found: dict[str, dict[str, int]] = {}
    current: dict[str, int] = {}
    for line in (answer or "").splitlines():
        if heading := re.fullmatch(r"(\S.*):\s*", line):
            current = found.setdefault(heading[1], {})
        elif setting := re.match(r"\s+(\w+)\s+(-?\d+)\b", line):
            current[setting[1]] = int(setting[2])
    return found


def _mac_source(source: str | None, settings: dict[str, int]) -> Check:
    if source is None:
        return Check("Power", "info", f"n/a ({_UNVALIDATED})")
    value = f"{source} ({_UNVALIDATED})"
    if source != "AC Power":
        remedy = "Plug it in: on battery macOS sleeps when it likes, and the GPU is slower."
        return Check("Power", "warn", value, remedy)
    if settings.get("lowpowermode"):
        return Check(
            "Power",
            "warn",
            f"{source}, Low Power Mode ({_UNVALIDATED})",
            "Turn Low Power Mode off in System Settings, Battery: it slows the GPU.",
        )
    return Check("Power", "ok", value)


def _mac_sleep(settings: dict[str, int]) -> Check:
    minutes = settings.get("sleep")
    if minutes is None:
        return Check("Sleep setting", "info", f"n/a ({_UNVALIDATED})")
    if minutes == 0:
        return Check("Sleep setting", "ok", f"never when idle ({_UNVALIDATED})")
    return Check(
        "Sleep setting",
        "info",
        f"sleeps after {minutes} min idle ({_UNVALIDATED})",
        "Nothing to do: a run holds it awake. Keep the lid open.",
    )


def linux_power(root: Path = Path("/")) -> list[Check]:
    """Mains or battery, from /sys/class/power_supply; a machine without either says nothing."""
    folder = root / "sys/class/power_supply"
    try:
        supplies = sorted(folder.iterdir())
    except OSError:
        return []
    kinds = {supply: (read_text(supply / "type") or "").strip() for supply in supplies}
    batteries = [
        supply
        for supply, kind in kinds.items()
        # The battery of a mouse or a headset has the scope Device.
        if kind == "Battery" and (read_text(supply / "scope") or "").strip() != "Device"
    ]
    if not batteries:
        return []
    states = [(read_text(battery / "status") or "").strip() for battery in batteries]
    charge = (read_text(batteries[0] / "capacity") or "").strip()
    value = f"battery {charge or 'n/a'} %, {states[0].lower() or 'n/a'}"
    if "Discharging" in states:
        return [Check("Power", "warn", value, "Plug it in: an empty battery ends a run.")]
    return [Check("Power", "ok", f"mains; {value}", "")]
