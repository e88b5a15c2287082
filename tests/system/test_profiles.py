"""Hardware profiles: the shipped files, files people break, and the machine detected."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from cockpit.core.guard_settings import GuardSettings
from cockpit.core.profiles import (
    GIB,
    HardwareProfile,
    format_size,
    parse_profile,
    parse_size,
)
from cockpit.errors import CockpitError
from cockpit.system.hardware import (
    detect,
    detect_linux,
    detect_mac,
    find_gpu,
    known_profiles,
    parse_nvidia_smi,
    profile_folders,
)
from cockpit.system.profile_files import load_profile, load_profiles, save_profile
from cockpit.system.sensors import read_memory

RECORDED = Path(__file__).parent / "recorded" / "linux-cgroup-v1"

GOOD = """\
title = "My Mac"
backend = "metal"
ram = "16 GiB"
system_reserved = "3 GiB"
"""


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8 GiB", 8 * 2**30),
        ("8GB", 8_000_000_000),
        ("1.5 tib", 3 * 2**39),
        (" 512 MiB ", 2**29),
        ("17 B", 17),
        (123, 123),
    ],
)
def test_sizes_are_read(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["8", "8 Gib of RAM", "GiB", "-8 GiB", "8 gigs", "1,5 GiB", ""])
def test_a_size_without_a_clear_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="8 GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    "size", [8 * 2**30, 24 * 10**9, 5 * 2**29, 2**40, 1_400_000_000, 24_684_084 * 1024, 1]
)
def test_a_formatted_size_reads_back_exactly(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_sizes_are_formatted_for_people() -> None:
    assert format_size(8 * 2**30) == "8 GiB"
    assert format_size(5 * 2**29) == "2.5 GiB"
    assert format_size(24 * 10**9) == "24 GB"


# recommendedMaxWorkingSetSize as llama.cpp printed it on real Macs, in MiB.
WORKING_SETS_MIB = {16: 10922.67, 24: 16384.0, 32: 21845.34, 64: 49152.0, 96: 73728.0}


@pytest.mark.parametrize("gib", WORKING_SETS_MIB)
def test_metals_budget_is_the_working_set_real_macs_reported(gib: int) -> None:
    profile = parse_profile(GOOD.replace("16 GiB", f"{gib} GiB"), "mac")

    assert profile.budget_bytes == pytest.approx(WORKING_SETS_MIB[gib] * 2**20, rel=1e-6)


def test_a_busy_mac_offers_what_is_left() -> None:
    profile = parse_profile(GOOD.replace("3 GiB", "9 GiB"), "mac")

    assert profile.budget_bytes == 7 * GIB


def test_a_raised_metal_limit_counts_up_to_what_the_system_keeps() -> None:
    assert parse_profile(GOOD + 'working_set = "12 GiB"', "mac").budget_bytes == 12 * GIB
    assert parse_profile(GOOD + 'working_set = "15 GiB"', "mac").budget_bytes == 13 * GIB
    assert parse_profile(GOOD + "working_set_fraction = 0.75", "mac").budget_bytes == 12 * GIB


def test_cuda_counts_the_gpus_memory_and_cpu_the_machines() -> None:
    cuda = 'title = "G"\nbackend = "cuda"\ngpu_memory = "24 GB"\nsystem_reserved = "1 GB"\n'
    cpu = 'title = "C"\nbackend = "cpu"\nram = "8 GB"\nsystem_reserved = "1 GB"\n'

    assert parse_profile(cuda, "g").budget_bytes == 23 * 10**9
    assert parse_profile(cuda, "g").ram_bytes is None
    assert parse_profile(cpu, "c").budget_bytes == 7 * 10**9


def test_a_guard_table_sets_when_the_guard_acts() -> None:
    text = GOOD + "\n[guard]\nstop_share = 0.99\nreadings = 5\n"
    profile = parse_profile(text, "mac")

    assert (profile.guard.stop_share, profile.guard.readings) == (0.99, 5)
    assert profile.guard.warn_share == GuardSettings().warn_share
    assert parse_profile(profile.to_toml(), "mac") == profile
    assert "guard" not in parse_profile(GOOD, "mac").to_toml()


@pytest.mark.parametrize(
    ("table", "line", "said"),
    [
        ("stop_shares = 0.9", 7, "unknown field guard.stop_shares"),
        ("readings = 0", 7, "guard.readings"),
        ("clear_share = 0.95", 6, "clear_share must be below warn_share"),
    ],
)
def test_a_bad_guard_table_is_named_with_its_line(table: str, line: int, said: str) -> None:
    with pytest.raises(CockpitError) as raised:
        parse_profile(f"{GOOD}\n[guard]\n{table}\n", "mac", "mac.toml")

    assert said in raised.value.message
    assert f"mac.toml, line {line}" in raised.value.message


def test_every_shipped_profile_loads_and_leaves_a_budget() -> None:
    shipped = load_profiles(profile_folders()[:1])

    assert shipped.problems == ()
    names = {profile.name for profile in shipped.profiles}
    assert {"m2-air-8", "m3-ultra-512", "linux-cpu-16", "cuda-24", "h200"} <= names
    assert all(profile.budget_bytes > GIB for profile in shipped.profiles)
    assert all(not profile.validated for profile in shipped.profiles)
    assert [profile.backend for profile in shipped.profiles] == sorted(
        (profile.backend for profile in shipped.profiles), key=["metal", "cuda", "cpu"].index
    )


def test_a_file_named_after_its_memory_says_that_memory() -> None:
    for profile in load_profiles(profile_folders()[:1]).profiles:
        size = profile.name.rpartition("-")[2]
        if profile.backend == "metal":
            assert profile.ram_bytes == int(size) * GIB
            assert profile.memory_bandwidth_gb_s is not None


def test_a_users_profile_replaces_the_shipped_namesake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    mine = tmp_path / "profiles"
    mine.mkdir()
    (mine / "m2-air-8.toml").write_text(GOOD)
    (mine / "mine.toml").write_text(GOOD)

    known = known_profiles()

    assert known.get("m2-air-8").title == "My Mac"
    assert known.get("mine").ram_bytes == 16 * GIB
    assert known.get("m1-max-64").ram_bytes == 64 * GIB


def test_an_installed_package_brings_its_own_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In site-packages a neighbour called ``profiles`` belongs to somebody else."""
    packaged = tmp_path / "cockpit" / "_profiles"
    packaged.mkdir(parents=True)
    (tmp_path / "profiles").mkdir()
    monkeypatch.setattr("cockpit.__file__", str(tmp_path / "cockpit" / "__init__.py"))

    assert profile_folders()[0] == packaged


def test_a_home_without_profiles_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path / "nowhere"))

    assert known_profiles().problems == ()


@pytest.mark.parametrize(
    ("text", "said", "remedy"),
    [
        (GOOD.replace("ram =", "ram"), "line 3", "Correct"),
        (GOOD.replace("16 GiB", "16 gigs"), "line 3: ram: cannot read the size", "Correct ram"),
        (GOOD.replace("16 GiB", "0 GiB"), "line 3: ram", "Correct ram"),
        (GOOD.replace("ram =", "ramm ="), "line 3: unknown field ramm", "ram, gpu_memory"),
        (GOOD.replace('title = "My Mac"\n', ""), "title is missing", "Add title"),
        (GOOD.replace('"metal"', '"tpu"'), "line 2: backend", "Correct backend"),
        (GOOD.replace('ram = "16 GiB"\n', ""), "a metal profile needs ram", "Correct the file"),
        (GOOD.replace('"3 GiB"', '"16 GiB"'), "leaves nothing", "Correct the file"),
        (GOOD + 'working_set_fraction = "most"', "line 5: working_set_fraction", "Correct"),
        (GOOD + "memory_bandwidth_gb_s = inf", "line 5: memory_bandwidth_gb_s", "Correct"),
    ],
)
def test_a_broken_file_names_itself_the_line_and_the_remedy(
    tmp_path: Path, text: str, said: str, remedy: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)

    with pytest.raises(CockpitError) as caught:
        load_profile(path)

    assert str(path) in caught.value.message
    assert said in caught.value.message
    assert remedy in caught.value.remedy


def test_a_broken_file_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("title = ")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "My Mac.toml").write_text(GOOD)
    (tmp_path / "good.toml").write_text(GOOD)

    loaded = load_profiles([tmp_path])

    assert [profile.name for profile in loaded.profiles] == ["good"]
    said = "\n".join(str(problem) for problem in loaded.problems)
    for name in ("bad.toml", "bytes.toml", "folder.toml", "My Mac.toml"):
        assert name in said


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(GOOD)

    with pytest.raises(CockpitError) as caught:
        load_profiles([tmp_path]).get("m9")

    assert "good" in caught.value.remedy


def test_a_saved_profile_reads_back_the_same(tmp_path: Path) -> None:
    profile = HardwareProfile(
        name="lab",
        title='The "lab" Mac',
        backend="metal",
        ram_bytes=96 * GIB,
        system_reserved_bytes=5 * GIB // 2,
        working_set_bytes=80_000 * 2**20,
        memory_bandwidth_gb_s=400,
        notes="two\nlines",
        validated=True,
    )

    path = save_profile(profile, tmp_path / "new" / "profiles")

    assert load_profile(path) == profile
    assert path.read_text() == profile.to_toml()
    assert 'ram = "96 GiB"' in path.read_text()
    assert [entry.name for entry in path.parent.iterdir()] == ["lab.toml"]


def test_saving_where_nothing_can_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CockpitError) as caught:
        save_profile(parse_profile(GOOD, "mine"), tmp_path / "file")

    assert "COCKPIT_HOME" in caught.value.remedy


def test_the_json_document_is_in_bytes_and_has_the_budget() -> None:
    document = parse_profile(GOOD, "mine").to_json()

    assert document["name"] == "mine"
    assert document["ram_bytes"] == 16 * GIB
    assert document["budget_bytes"] == int(16 * GIB * 2 / 3)


class Mac:
    """A kernel that answers these sysctls."""

    def __init__(self, **answers: int | str):
        self._answers = answers

    def sysctl(self, name: str) -> bytes | None:
        answer = self._answers.get(name.replace(".", "_"))
        if isinstance(answer, int):
            return struct.pack("<q", answer)
        return answer.encode() + b"\0" if answer else None

    def vm_statistics(self) -> bytes | None:
        return None

    def page_bytes(self) -> int | None:
        return None

    def rusage(self, pid: int) -> bytes | None:
        return None


def test_a_mac_is_detected_from_its_sysctls() -> None:
    profile = detect_mac(
        Mac(
            hw_memsize=8 * GIB,
            machdep_cpu_brand_string="Apple M2",
            hw_optional_arm64=1,
            hw_ncpu=8,
            iogpu_wired_limit_mb=0,
        )
    )

    assert profile.backend == "metal"
    assert profile.chip == "Apple M2"
    assert profile.cpu_cores == 8
    assert profile.working_set_bytes is None
    assert profile.budget_bytes == int(8 * GIB * 2 / 3)
    assert "usual share" in profile.notes


def test_a_mac_whose_owner_raised_the_wired_limit() -> None:
    profile = detect_mac(Mac(hw_memsize=64 * GIB, hw_optional_arm64=1, iogpu_wired_limit_mb=57344))

    assert profile.budget_bytes == 56 * GIB
    assert "iogpu.wired_limit_mb" in profile.notes
    assert profile.chip is None


def test_an_intel_mac_has_no_metal_backend() -> None:
    assert detect_mac(Mac(hw_memsize=16 * GIB)).backend == "cpu"


def test_a_container_is_its_limit() -> None:
    profile = detect_linux(RECORDED, nvidia_smi="no-such-tool")

    assert profile.ram_bytes == 64 * 2**20
    assert profile.budget_bytes == 48 * 2**20
    assert "cgroup" in profile.notes


def test_this_machine_is_detected_with_its_own_memory() -> None:
    profile = detect()

    assert profile.name == "this-machine"
    assert profile.ram_bytes == read_memory().ram_total_bytes
    assert profile.cpu_cores and profile.cpu_cores > 0
    assert profile.budget_bytes > 0


def test_a_machine_that_does_not_say_its_memory_is_an_error_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cockpit.system.hardware.detect_linux",
        lambda: detect_linux(tmp_path, nvidia_smi="no-such-tool"),
    )
    monkeypatch.setattr("sys.platform", "linux")

    with pytest.raises(CockpitError, match="profiles"):
        detect()


def test_detecting_does_not_import_mlx() -> None:
    code = (
        "import sys; from cockpit.system.hardware import detect, known_profiles; detect();"
        "known_profiles(); print(sorted({'mlx', 'mlx_lm', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("printed", "name", "mib"),
    [
        ("NVIDIA H200, 143771\n", "NVIDIA H200", 143771),
        ("NVIDIA A100-SXM4-80GB, 81920\nNVIDIA A100-SXM4-80GB, 81920\n", None, 81920),
        ("NVIDIA GB10, [N/A]\n", None, None),
        ("", None, None),
    ],
)
def test_nvidia_smi(printed: str, name: str | None, mib: int | None) -> None:
    gpu = parse_nvidia_smi(printed)

    assert (gpu.memory_bytes if gpu else None) == (mib * 2**20 if mib else None)
    if name:
        assert gpu is not None and gpu.name == name


def test_a_gpu_that_mlx_cannot_use_is_named_but_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA L4, 23034'\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("cockpit.system.hardware._mlx_cuda_installed", lambda: False)
    without = detect_linux(nvidia_smi=str(tool))
    monkeypatch.setattr("cockpit.system.hardware._mlx_cuda_installed", lambda: True)
    with_cuda = detect_linux(nvidia_smi=str(tool))

    assert without.backend == "cpu"
    assert "NVIDIA L4 is not used" in without.notes
    assert with_cuda.backend == "cuda"
    assert with_cuda.gpu_memory_bytes == 23034 * 2**20


def test_a_driver_that_fails_or_a_hidden_gpu_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert find_gpu(str(tool)) is None

    tool.write_text("#!/bin/sh\necho 'NVIDIA L4, 23034'\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert find_gpu(str(tool)) is None
