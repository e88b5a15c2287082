"""The doctor's findings on recorded answers: Macs, laptops, terminals, MLX that does not start."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from cockpit.system import checks_hub, checks_mlx, checks_power, checks_terminal, doctor
from cockpit.system.checks_mlx import Probe

GIB = 2**30
# As pmset(1) prints them on a laptop; recorded answers from public reports, not from a Mac here.
ON_BATTERY = """Now drawing from 'Battery Power'
 -InternalBattery-0 (id=4522083)\t84%; discharging; 5:12 remaining present: true
"""
ON_MAINS = """Now drawing from 'AC Power'
 -InternalBattery-0 (id=4522083)\t100%; charged; 0:00 remaining present: true
"""
SETTINGS = """Battery Power:
 Sleep On Power Button 1
 lowpowermode         1
 standby              1
 sleep                1 (sleep prevented by powerd)
 displaysleep         2
AC Power:
 Sleep On Power Button 1
 lowpowermode         0
 sleep                10
 womp                 1
"""


class Mac:
    def __init__(self, ram_gib: int, wired_limit_mb: int | None):
        self._answers = {"hw.memsize": struct.pack("<q", ram_gib * GIB)}
        if wired_limit_mb is not None:
            self._answers["iogpu.wired_limit_mb"] = struct.pack("<i", wired_limit_mb)

    def sysctl(self, name: str) -> bytes | None:
        return self._answers.get(name)

    def vm_statistics(self) -> bytes | None:
        return None

    def page_bytes(self) -> int | None:
        return None

    def rusage(self, pid: int) -> bytes | None:
        return None


def pmset(batt: str, custom: str = SETTINGS) -> checks_power.Pmset:
    return {"batt": batt, "custom": custom}.get


def test_mlx_is_asked_in_its_own_process_and_computes_here() -> None:
    found = checks_mlx.probe()

    assert found.problem == ""
    assert found.gflops is not None and found.gflops > 0
    assert found.device in ("cpu", "gpu")
    assert checks_mlx.speed_check(found).status in ("ok", "warn")


def test_an_mlx_that_does_not_start_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_mlx, "_PROBE", "raise SystemExit('no such library: libmlx.so')")

    check = checks_mlx.speed_check(checks_mlx.probe())

    assert check.status == "fail" and check.remedy
    assert "libmlx.so" in check.value


def test_an_mlx_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_mlx, "_PROBE", "import time; time.sleep(3600)")
    monkeypatch.setattr(checks_mlx, "_PROBE_SECONDS", 0.2)

    assert checks_mlx.speed_check(checks_mlx.probe()).status == "fail"


@pytest.mark.parametrize(
    ("gflops", "blas", "status", "remedy"),
    [
        (1.8, None, "warn", "libopenblas"),
        (4.0, "OpenBLAS", "warn", "cores"),
        (90.0, "OpenBLAS", "ok", ""),
    ],
)
def test_a_slow_cpu_says_why(gflops: float, blas: str | None, status: str, remedy: str) -> None:
    answer = {"device": "cpu", "blas": blas, "gflops": gflops, "working_set": None}

    check = checks_mlx.speed_check(checks_mlx.parse(json.dumps(answer)), "linux")

    assert (check.status, bool(check.remedy)) == (status, bool(remedy))
    assert remedy in check.remedy and f"{gflops:.3g} GFLOP/s" in check.value


@pytest.mark.parametrize(
    ("limit_mb", "status", "said"),
    [
        (0, "info", "iogpu.wired_limit_mb=13107"),
        (12_000, "ok", "iogpu.wired_limit_mb 12000"),
        (15_500, "warn", "0.9 GiB"),
        (None, "ok", "n/a"),
    ],
)
def test_the_gpu_working_set_and_the_wired_limit(
    limit_mb: int | None, status: str, said: str
) -> None:
    check = checks_mlx.working_set_check(
        Probe(working_set_bytes=int(10.7 * GIB)), Mac(16, limit_mb)
    )

    assert check.status == status
    assert said in check.value + check.remedy
    assert "10.7 GiB of 16.0 GiB" in check.value and "not validated" in check.value


def test_a_working_set_that_mlx_does_not_tell_is_not_zero() -> None:
    assert checks_mlx.working_set_check(Probe(), Mac(16, 0)).value.startswith("n/a of 16.0 GiB")


def test_a_mac_on_mains_says_when_it_sleeps() -> None:
    power, sleep = checks_power.mac_power(pmset(ON_MAINS))

    assert power.status == "ok" and power.value.startswith("AC Power")
    assert "10 min" in sleep.value and "lid" in sleep.remedy


def test_a_mac_on_battery_is_to_be_plugged_in() -> None:
    power, sleep = checks_power.mac_power(pmset(ON_BATTERY))

    assert power.status == "warn" and "Plug it in" in power.remedy
    assert "1 min" in sleep.value


def test_low_power_mode_slows_the_gpu() -> None:
    slow = SETTINGS.replace("lowpowermode         0", "lowpowermode         1")

    power, _ = checks_power.mac_power(pmset(ON_MAINS, slow))

    assert power.status == "warn" and "Low Power Mode" in power.remedy


def test_a_mac_that_does_not_answer_is_unknown_not_well() -> None:
    assert [c.status for c in checks_power.mac_power(lambda _: None)] == ["info", "info"]
    assert all("n/a" in c.value for c in checks_power.mac_power(lambda _: None))


@pytest.mark.parametrize(
    ("version", "status"), [("13.6", "fail"), ("14.0", "ok"), ("26.1", "ok"), ("", "info")]
)
def test_macos_versions(version: str, status: str) -> None:
    assert doctor.macos_check(version).status == status


def supply(root: Path, name: str, **files: str) -> None:
    folder = root / "sys/class/power_supply" / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text + "\n")


def test_a_linux_laptop_on_battery_and_on_mains(tmp_path: Path) -> None:
    supply(tmp_path, "AC", type="Mains", online="0")
    supply(tmp_path, "BAT0", type="Battery", status="Discharging", capacity="61")
    (check,) = checks_power.linux_power(tmp_path)
    assert check.status == "warn" and "61 %" in check.value

    (tmp_path / "sys/class/power_supply/BAT0/status").write_text("Charging\n")
    (check,) = checks_power.linux_power(tmp_path)
    assert check.status == "ok"


def test_a_server_and_a_wireless_mouse_say_nothing_of_power(tmp_path: Path) -> None:
    assert checks_power.linux_power(tmp_path) == []
    supply(tmp_path, "mouse", type="Battery", scope="Device", status="Discharging")
    assert checks_power.linux_power(tmp_path) == []


def test_tokenizers_that_are_missing() -> None:
    assert checks_hub.tokenizer_check(lambda _: "1.0").status == "ok"
    some = checks_hub.tokenizer_check(lambda n: None if n == "sentencepiece" else "1.0")
    assert some.status == "info" and "pip install sentencepiece" in some.remedy
    none = checks_hub.tokenizer_check(lambda _: None)
    assert none.status == "fail" and "pip install transformers tokenizers" in none.remedy


def test_the_hub_offline_and_its_token(tmp_path: Path) -> None:
    environ = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    (tmp_path / "hub").mkdir()
    assert "offline" in checks_hub.hub_check(environ).value
    assert "no token" in checks_hub.hub_check(environ).value
    (tmp_path / "token").write_text("hf_secret")
    value = checks_hub.hub_check(environ).value
    assert "no token" not in value and "hf_secret" not in value


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "truecolor"),
        ({"TERM": "xterm-256color"}, "256 colours"),
        ({"TERM": "xterm"}, "16 colours"),
        ({"TERM": "dumb"}, "n/a"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "NO_COLOR"),
    ],
)
def test_colours(environ: dict[str, str], said: str) -> None:
    assert said in checks_terminal.colours(environ)


def test_screen_without_its_own_term() -> None:
    environ = {"TERM": "xterm", "STY": "1.pts"}
    assert "screen-256color" in checks_terminal.terminal_check(environ, (80, 24), "utf-8").remedy
