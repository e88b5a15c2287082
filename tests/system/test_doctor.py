"""The doctor's findings, on this machine and on machines that ail."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cockpit.core.samples import MemorySample
from cockpit.system import checks_hub, checks_terminal, doctor, hub_folders, software
from cockpit.system.checks import Check
from cockpit.system.power import KeepAwake

GIB = 2**30


def only(checks: list[Check], name: str) -> Check:
    (found,) = [check for check in checks if check.name == name]
    return found


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_this_machine_is_examined_whole(own_home: Path) -> None:
    checks = doctor.run_checks()

    names = {check.name for check in checks}
    assert {"Python", "System", "mlx", "mlx-lm", "Backend", "RAM", "Swap"} <= names
    assert {"Memory pressure", "Memory limit", "Sleep", "Home", "Disk", "Terminal"} <= names
    assert {"Matrix speed", "Tokenizers", "Hugging Face cache"} <= names
    assert "Doctor" not in names
    assert only(checks, "mlx").status == "ok"
    assert str(own_home) in only(checks, "Home").value


def test_every_finding_that_is_not_well_says_what_to_do(own_home: Path) -> None:
    for check in doctor.run_checks():
        assert check.value
        if check.status in ("warn", "fail"):
            assert check.remedy, check


def test_a_check_is_one_flat_json_object() -> None:
    assert Check("RAM", "ok", "8 GiB").to_json() == {
        "name": "RAM",
        "status": "ok",
        "value": "8 GiB",
        "remedy": "",
    }


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Check:
        raise RuntimeError("no such gauge")

    monkeypatch.setattr(doctor, "backend_check", broken)
    checks = doctor.run_checks()

    assert "no such gauge" in only(checks, "Doctor").value
    assert only(checks, "Disk").value


def test_the_doctor_does_not_import_mlx_or_load_a_blas(own_home: Path) -> None:
    code = (
        "import sys; from cockpit.system.doctor import run_checks; run_checks();"
        "print(sorted({'mlx', 'mlx_lm', 'textual', 'huggingface_hub'} & set(sys.modules)));"
        "maps = open('/proc/self/maps').read() if sys.platform == 'linux' else '';"
        "print('blas' in maps)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["[]", "False"]


def test_the_tested_range_is_the_one_the_project_declares() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    declared = [
        line.removeprefix("mlx-lm")
        for line in project["project"]["dependencies"]
        if line.startswith("mlx-lm")
    ]

    assert [software.tested_range("mlx-lm")] == declared
    assert software.tested_range("no-such-package") is None


@pytest.mark.parametrize(
    ("version", "inside"),
    [
        ("0.32.4", True),
        ("0.32.10", True),
        ("0.32.4.dev1", True),
        ("0.32.3", False),
        ("0.33", False),
        ("0.33.0", False),
        ("1.0", False),
    ],
)
def test_ranges(version: str, inside: bool) -> None:
    assert software.in_range(version, ">=0.32.4,<0.33") is inside


def test_a_package_outside_the_range_or_missing() -> None:
    assert software.package_check("pytest", ">=1,<2").status == "warn"
    missing = software.package_check("no-such-package", ">=1,<2")
    assert missing.status == "fail"
    assert missing.remedy == "pip install 'no-such-package>=1,<2'"
    assert software.package_check("pytest", None).status == "info"


def test_without_a_fast_blas_it_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "BLAS_LIBRARIES", ("libno-such-blas.so.0",))

    check = software.blas_check()

    assert check.status == "warn"
    assert "libopenblas0-pthread" in check.remedy
    assert "25 times" in check.remedy


def test_a_blas_that_loads_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    library = "libc.so.6" if sys.platform == "linux" else "libSystem.B.dylib"
    monkeypatch.setattr(software, "BLAS_LIBRARIES", ("libno-such-blas.so.0", library))

    assert software.blas_check().status == "ok"
    assert library in software.blas_check().value


def test_linux_without_a_backend_wheel_cannot_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "installed_version", lambda name: None)

    (check,) = software.linux_backend_checks()

    assert check.status == "fail"
    assert "mlx[cpu]" in check.remedy


class TranslatedMac:
    def sysctl(self, name: str) -> bytes | None:
        return struct.pack("<i", 1) if name == "sysctl.proc_translated" else None

    def vm_statistics(self) -> bytes | None:
        return None

    def page_bytes(self) -> int | None:
        return None

    def rusage(self, pid: int) -> bytes | None:
        return None


def test_rosetta_is_a_failure() -> None:
    check = software.python_check(TranslatedMac())

    assert check.status == "fail"
    assert "arm64" in check.remedy


def test_memory_that_is_short() -> None:
    checks = doctor.memory_checks(
        MemorySample(
            ram_total_bytes=8 * GIB,
            ram_available_bytes=1 * GIB,
            swap_total_bytes=4 * GIB,
            swap_used_bytes=3 * GIB,
            pressure="warning",
            pressure_some_percent=12.5,
            pressure_full_percent=3.0,
            limit_bytes=8 * GIB,
            limit_used_bytes=7 * GIB,
        )
    )

    assert only(checks, "RAM").status == "warn"
    assert only(checks, "RAM").value == "8.0 GiB, 1.0 GiB available"
    assert only(checks, "Swap").value == "3.0 GiB of 4.0 GiB used"
    assert only(checks, "Memory pressure").status == "warn"
    assert only(checks, "Memory pressure").value == "warning (PSI some 12.5 %, full 3.0 %)"
    assert only(checks, "Memory limit").value == "8.0 GiB by cgroup, 7.0 GiB used"


def test_memory_that_is_unknown_is_never_zero() -> None:
    for check in doctor.memory_checks(MemorySample()):
        assert "0" not in check.value

    assert only(doctor.memory_checks(MemorySample()), "RAM").value == "n/a, n/a available"


def test_a_machine_without_swap_says_none() -> None:
    checks = doctor.memory_checks(MemorySample(swap_total_bytes=0, swap_used_bytes=0))

    assert only(checks, "Swap").value == "none"


def test_sleep_that_cannot_be_prevented_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    check = doctor.power_check(KeepAwake(platform="linux"))

    assert check.status == "info"
    assert "systemd-inhibit was not found" in check.value


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    (check,) = doctor.home_checks(tmp_path / "file" / "home")

    assert check.status == "fail"
    assert "COCKPIT_HOME" in check.remedy


def test_a_home_leaves_nothing_behind(tmp_path: Path) -> None:
    home, disk = doctor.home_checks(tmp_path / "home")

    assert home.status == "ok"
    assert "GB free" in disk.value
    assert list((tmp_path / "home").iterdir()) == []


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage(free=10**8))
    assert only(doctor.home_checks(tmp_path), "Disk").status == "fail"

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage(free=10**9))
    assert only(doctor.home_checks(tmp_path), "Disk").status == "warn"


class Usage:
    def __init__(self, free: int):
        self.free = free


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HF_HUB_CACHE": "/c/hub", "HF_HOME": "/h"}, "/c/hub"),
        ({"HF_HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/h/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HF_HOME": "~nobodyatall/x"}, "~nobodyatall/x/hub"),
        ({}, str(Path("~/.cache/huggingface/hub").expanduser())),
    ],
)
def test_the_hub_cache_is_where_huggingface_hub_looks(environ: dict[str, str], folder: str) -> None:
    """Asked of huggingface_hub itself, in a process of its own."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    bare.pop("XDG_CACHE_HOME", None)
    code = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=bare | environ, capture_output=True, text=True, check=True
    )

    assert str(hub_folders.cache(environ)) == done.stdout.strip() == folder


def test_models_in_the_cache_are_counted_not_measured(tmp_path: Path) -> None:
    for name in ("models--a--b", "datasets--c--d", "version.txt"):
        (tmp_path / name).mkdir()

    assert (
        checks_hub.hub_check({"HF_HUB_CACHE": str(tmp_path), "HF_TOKEN": "hf_secret"}).value
        == f"{tmp_path}, 1 model"
    )
    assert checks_hub.hub_check({"HF_HUB_CACHE": str(tmp_path / "none")}).status == "info"


@pytest.mark.parametrize(
    ("environ", "size", "encoding", "status", "said"),
    [
        ({"TERM": "xterm-256color"}, (120, 40), "utf-8", "ok", "120 x 40"),
        ({"TERM": "xterm", "SSH_CONNECTION": "1 2 3 4"}, (80, 24), "UTF-8", "ok", "over SSH"),
        ({"TERM": "xterm"}, (79, 24), "utf-8", "warn", "80 x 24"),
        ({"TERM": "xterm"}, (80, 24), "ascii", "warn", "UTF-8"),
        ({"TERM": "dumb"}, (80, 24), "utf-8", "warn", "xterm-256color"),
        ({}, None, None, "info", "no terminal"),
    ],
)
def test_terminals(
    environ: dict[str, str],
    size: tuple[int, int] | None,
    encoding: str | None,
    status: str,
    said: str,
) -> None:
    check = checks_terminal.terminal_check(environ, size, encoding)

    assert check.status == status
    assert said in check.value + check.remedy
