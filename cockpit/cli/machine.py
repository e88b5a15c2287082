"""``cockpit profiles`` and ``cockpit doctor``: what the machine is and what ails it."""

from __future__ import annotations

import argparse

from cockpit.cli import output
from cockpit.core.format import gibibytes, gigabytes, plain
from cockpit.core.profiles import HardwareProfile
from cockpit.errors import CockpitError
from cockpit.system import doctor as health
from cockpit.system import hardware, profile_files


def add_profile_flags(command: argparse.ArgumentParser) -> None:
    """What ``cockpit profiles`` takes."""
    command.add_argument("name", nargs="?", metavar="NAME", help="Show one as TOML.")
    command.add_argument("--copy", metavar="NEW", help="Save it as a profile of your own.")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="Change a field of the copy, or of a profile of your own: --set ram='16 GiB'; "
        "an empty value removes it.",
    )
    command.add_argument("--yes", action="store_true", help="Write over a profile of your own.")


def profiles(arguments: argparse.Namespace) -> int:
    if arguments.copy or arguments.set:
        return _save(arguments)
    if arguments.name:
        _show(_found(arguments.name), as_json=arguments.json)
        return 0
    return _list(as_json=arguments.json)


def _list(*, as_json: bool) -> int:
    known, detected = hardware.known_profiles(), hardware.detect()
    for problem in known.problems:
        output.print_error(problem, as_json=False)
    if as_json:
        listed = [profile.to_json() for profile in known.profiles]
        output.print_json({"detected": detected.to_json(), "profiles": listed})
        return 0
    rows = [
        (
            profile.name,
            profile.backend,
            gibibytes(profile.gpu_memory_bytes or profile.ram_bytes),
            gigabytes(profile.budget_bytes),
            profile.title,
        )
        for profile in (detected, *known.profiles)
    ]
    output.print_table(("PROFILE", "BACKEND", "MEMORY", "BUDGET", "MACHINE"), rows)
    print("\nBudget: what a run may use. Your own profiles are in")
    print(plain(hardware.profile_folders()[-1]))
    print("Make one: cockpit profiles m2-air-8 --copy my-mac --set ram='16 GiB'")
    return 0


def _save(arguments: argparse.Namespace) -> int:
    """Saves a copy, or a profile of the user's own as changed."""
    if not arguments.name:
        raise CockpitError(
            "No profile was named",
            "--copy and --set need one to start from",
            "Like this: cockpit profiles m2-air-8 --copy my-mac --set ram='16 GiB'",
        )
    name, folders = arguments.copy or arguments.name, hardware.profile_folders()
    try:
        profile_files.check_own(name, folders, overwrite=arguments.yes)
    except profile_files.ProfileExists as error:
        error.remedy = "--yes writes over it; --copy NEW saves it under another name."
        raise
    changes = dict(_assignment(text) for text in arguments.set)
    profile = profile_files.edited(_found(arguments.name), name, changes)
    path = profile_files.save_own(profile, folders, overwrite=arguments.yes)
    output.say(f"saved {path}: a budget of {gigabytes(profile.budget_bytes)}")
    _show(profile, as_json=arguments.json)
    return 0


def _found(name: str) -> HardwareProfile:
    known = hardware.known_profiles()
    here = name == hardware.THIS_MACHINE
    return hardware.this_machine() if here else known.get(name)


def _show(profile: HardwareProfile, *, as_json: bool) -> None:
    output.print_json(profile.to_json()) if as_json else print(profile.to_toml(), end="")


def _assignment(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals or not field.strip():
        raise CockpitError(
            "--set could not be read", text, "Write FIELD=VALUE, like --set ram='16 GiB'."
        )
    return field.strip(), value.strip().strip("\"'")


def doctor(arguments: argparse.Namespace) -> int:
    checks = health.run_checks()
    if arguments.json:
        output.print_json({"checks": [check.to_json() for check in checks]})
    else:
        marks = {"ok": "ok", "info": "--", "warn": "WARN", "fail": "FAIL"}
        width = max(len(check.name) for check in checks)
        for check in checks:
            print(plain(f"{marks[check.status]:<4}  {check.name:<{width}}  {check.value}"))
            if check.remedy:
                print(plain(f"      {'':<{width}}  -> {check.remedy}"))
    return 1 if any(check.status == "fail" for check in checks) else 0
