"""What the surroundings ask for, and that the person has the last word."""

from __future__ import annotations

import subprocess
import sys

from cockpit.ui.environment import look, prepare

OVER_SSH = {"SSH_CONNECTION": "10.0.0.1 5000 10.0.0.2 22"}


def test_over_ssh_it_repaints_less_and_asks_for_no_mouse() -> None:
    environ = dict(OVER_SSH)
    surroundings = prepare(environ)
    assert surroundings.remote and not surroundings.mouse
    assert environ["TEXTUAL_ANIMATIONS"] == "none"
    assert environ["TEXTUAL_SMOOTH_SCROLL"] == "0"
    assert int(environ["TEXTUAL_FPS"]) < 60
    assert surroundings.poll_seconds > look({}).poll_seconds


def test_at_the_machine_nothing_is_changed() -> None:
    environ: dict[str, str] = {}
    surroundings = prepare(environ)
    assert surroundings.mouse and not surroundings.remote
    assert environ == {}


def test_what_the_person_set_wins() -> None:
    environ = {**OVER_SSH, "TEXTUAL_FPS": "15", "COCKPIT_MOUSE": "1"}
    assert prepare(environ).mouse
    assert environ["TEXTUAL_FPS"] == "15"
    assert not look({**OVER_SSH, "COCKPIT_REMOTE": "0"}).remote


def test_textual_reads_what_was_prepared() -> None:
    code = (
        "from cockpit.ui import environment; environment.prepare()\n"
        "import cockpit.ui.app\n"
        "from textual import constants as c\n"
        "print(c.MAX_FPS, c.TEXTUAL_ANIMATIONS, c.SMOOTH_SCROLL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=OVER_SSH, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["30", "none", "False"]


def test_the_first_paint_needs_nothing_slow() -> None:
    """Everything imported before the first frame is paid for by every start."""
    code = (
        "import sys\n"
        "from cockpit import ui\n"
        "from cockpit.ui.app import CockpitApp\n"
        "CockpitApp.run = lambda self, **options: print(*sys.modules)\n"
        "ui.run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    slow = {"mlx", "mlx.core", "mlx_lm", "transformers", "huggingface_hub", "numpy", "plotext"}
    assert loaded.isdisjoint(slow | {"pydantic", "psutil", "yaml"})


def test_no_screen_loads_mlx() -> None:
    code = (
        "import cockpit.ui.screens.choose, cockpit.ui.screens.run, cockpit.ui.screens.runs\n"
        "import cockpit.memory.analytic, cockpit.system.preflight, sys; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint({"mlx", "mlx.core", "mlx_lm", "transformers"})
