"""``cockpit profiles`` and ``cockpit doctor``: what the machine is and what ails it."""

from __future__ import annotations

import argparse

from cockpit.cli import output
from cockpit.core.format import gibibytes, gigabytes, plain
from cockpit.system import doctor as health
from cockpit.system import hardware


def profiles(arguments: argparse.Namespace) -> int:
    known = hardware.known_profiles()
    detected = hardware.detect()
    if arguments.name:
        chosen = detected if arguments.name == detected.name else known.get(arguments.name)
        output.print_json(chosen.to_json()) if arguments.json else print(chosen.to_toml(), end="")
        return 0
    for problem in known.problems:
        output.print_error(problem, as_json=False)
    if arguments.json:
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
    print("\nBudget: what a run may use. Your own profiles, and edited copies of these, go in")
    print(hardware.profile_folders()[-1])
    return 0


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
