"""Linux memory from file trees.

``recorded/linux-cgroup-v1`` was copied from a hybrid Linux 6.18 machine: a Python process holding
30 MiB in a cgroup limited to 96 MiB inside one limited to 64 MiB, after the kernel had killed
another process there. The version 2 trees are written here after the kernel's
Documentation/admin-guide/cgroup-v2.rst and Documentation/accounting/psi.rst.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cockpit.system.sensors.linux import LinuxMemory, parse_pressure, pressure_word
from cockpit.system.sensors.reading import ProcessReading

RECORDED = Path(__file__).parent / "recorded" / "linux-cgroup-v1"
MIB = 2**20
GIB = 2**30

MEMINFO = """\
MemTotal:       33554432 kB
MemFree:         1048576 kB
MemAvailable:   16777216 kB
SwapTotal:       8388608 kB
SwapFree:        6291456 kB
HugePages_Total:       0
"""
MOUNTINFO_V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
STALLED = (
    "some avg10=38.10 avg60=11.27 avg300=2.69 total=9124110\n"
    "full avg10=21.45 avg60=6.01 avg300=1.40 total=5120334\n"
)
CALM = (
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0"
)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2_machine(root: Path, files: dict[str, str], own: str = "/user.slice/run.scope") -> Path:
    return write(
        root,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": f"0::{own}\n",
            "proc/self/mountinfo": MOUNTINFO_V2,
            "proc/pressure/memory": CALM,
            "sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
            **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
        },
    )


def test_recorded_v1_machine_is_bound_by_the_tighter_parent() -> None:
    sample = LinuxMemory(RECORDED).read(4242).sample

    assert sample.limit_bytes == 64 * MIB
    assert sample.ram_total_bytes == 64 * MIB
    # usage_in_bytes less the 12 MiB of file cache the process had written.
    assert sample.limit_used_bytes == 44_707_840 - 12_582_912
    assert sample.ram_available_bytes == 64 * MIB - (44_707_840 - 12_582_912)
    assert sample.ram_used_bytes == sample.limit_used_bytes
    assert sample.footprint_bytes == 44_376 * 1024
    assert sample.oom_kills == 1
    assert sample.pressure == "normal"
    assert (sample.swap_total_bytes, sample.swap_used_bytes) == (0, 0)


def test_recorded_v1_machine_without_limits_is_the_whole_machine(tmp_path: Path) -> None:
    root = tmp_path / "machine"
    shutil.copytree(RECORDED, root)
    memberships = root / "proc/self/cgroup"
    memberships.write_text(memberships.read_text().replace("/outer/inner", "/"))

    sample = LinuxMemory(root).read().sample

    assert sample.limit_bytes is None
    assert sample.ram_total_bytes == 24_684_084 * 1024
    assert sample.oom_kills == 0


def test_v1_swap_is_what_memsw_leaves_beyond_the_memory_limit(tmp_path: Path) -> None:
    root = tmp_path / "machine"
    shutil.copytree(RECORDED, root)
    outer = "sys/fs/cgroup/memory/outer/"
    write(
        root,
        {
            "proc/meminfo": MEMINFO,
            outer + "memory.memsw.limit_in_bytes": str(80 * MIB),
            outer + "memory.memsw.usage_in_bytes": str(44_707_840 + 3 * MIB),
        },
    )

    sample = LinuxMemory(root).read().sample

    assert sample.swap_total_bytes == 16 * MIB
    assert sample.swap_used_bytes == 3 * MIB


def test_v2_without_limits_is_the_whole_machine(tmp_path: Path) -> None:
    root = v2_machine(
        tmp_path,
        {
            "user.slice/memory.max": "max\n",
            "user.slice/run.scope/memory.max": "max\n",
            "user.slice/run.scope/memory.current": "123456\n",
            "user.slice/run.scope/memory.events": "low 0\nhigh 0\nmax 0\noom 2\noom_kill 2\n",
        },
    )

    sample = LinuxMemory(root).read().sample

    assert sample.limit_bytes is None
    assert sample.limit_used_bytes is None
    assert sample.ram_total_bytes == 32 * GIB
    assert sample.ram_available_bytes == 16 * GIB
    assert sample.ram_used_bytes == 16 * GIB
    assert (sample.swap_total_bytes, sample.swap_used_bytes) == (8 * GIB, 2 * GIB)
    assert sample.oom_kills == 2


def test_v2_limit_on_an_ancestor_binds_and_brings_its_own_pressure(tmp_path: Path) -> None:
    root = v2_machine(
        tmp_path,
        {
            "user.slice/memory.max": str(8 * GIB),
            "user.slice/memory.current": str(7 * GIB),
            "user.slice/memory.stat": f"anon 1\ninactive_file {GIB}\nactive_file 5\n",
            "user.slice/memory.swap.max": str(1 * GIB),
            "user.slice/memory.swap.current": str(512 * MIB),
            "user.slice/memory.pressure": STALLED,
            "user.slice/run.scope/memory.max": str(16 * GIB),
            "user.slice/run.scope/memory.current": str(2 * GIB),
            "user.slice/run.scope/memory.events": "oom_kill 0\n",
        },
    )

    sample = LinuxMemory(root).read().sample

    assert sample.limit_bytes == sample.ram_total_bytes == 8 * GIB
    assert sample.limit_used_bytes == 6 * GIB
    assert sample.ram_available_bytes == 2 * GIB
    assert (sample.swap_total_bytes, sample.swap_used_bytes) == (1 * GIB, 512 * MIB)
    assert sample.pressure_some_percent == 38.10
    assert sample.pressure_full_percent == 21.45
    assert sample.pressure == "critical"


def test_the_headroom_is_the_smallest_under_any_limit(tmp_path: Path) -> None:
    """The larger limit is shared, and others have nearly filled it."""
    root = v2_machine(
        tmp_path,
        {
            "user.slice/memory.max": str(8 * GIB),
            "user.slice/memory.current": str(8 * GIB - 300 * MIB),
            "user.slice/run.scope/memory.max": str(4 * GIB),
            "user.slice/run.scope/memory.current": str(1 * GIB),
        },
    )

    sample = LinuxMemory(root).read().sample

    assert sample.ram_total_bytes == 4 * GIB
    assert sample.ram_available_bytes == 300 * MIB


def test_a_container_that_sees_its_own_cgroup_as_the_top(tmp_path: Path) -> None:
    """``docker run --memory`` with a cgroup namespace: the path is ``/``, the limit is there."""
    root = v2_machine(
        tmp_path,
        {"memory.max": str(2 * GIB), "memory.current": str(GIB)},
        own="/",
    )

    assert LinuxMemory(root).read().sample.limit_bytes == 2 * GIB


@pytest.mark.parametrize("own", ["/docker/3fa9", "/../other"])
def test_a_container_whose_path_is_the_hosts(tmp_path: Path, own: str) -> None:
    """Without a namespace the host's path is named, but only its subtree is mounted."""
    root = v2_machine(tmp_path, {"memory.max": str(2 * GIB)}, own=own)
    write(
        root,
        {"proc/self/mountinfo": MOUNTINFO_V2.replace("0:26 / ", "0:26 /docker/3fa9 ")},
    )

    sample = LinuxMemory(root).read().sample

    assert sample.limit_bytes == 2 * GIB
    assert sample.limit_used_bytes is None
    assert sample.ram_available_bytes == 16 * GIB


def test_a_limit_above_the_machine_does_not_add_memory(tmp_path: Path) -> None:
    root = v2_machine(tmp_path, {"user.slice/run.scope/memory.max": str(64 * GIB)})

    assert LinuxMemory(root).read().sample.ram_total_bytes == 32 * GIB


def test_nothing_readable_is_none_everywhere(tmp_path: Path) -> None:
    reading = LinuxMemory(tmp_path).read(1)

    assert reading.sample.model_dump(exclude_none=True) == {}
    assert reading.swapped_in_bytes is None
    assert reading.swapped_out_bytes is None


def test_files_that_make_no_sense_are_none(tmp_path: Path) -> None:
    root = v2_machine(tmp_path, {"user.slice/run.scope/memory.max": "many\n"})
    write(
        root,
        {
            "proc/meminfo": "MemTotal:\nMemAvailable: a kB\n\n",
            "proc/pressure/memory": "",
            "proc/vmstat": "pswpin\npswpout x\n",
        },
    )

    assert LinuxMemory(root).read().sample.model_dump(exclude_none=True) == {}


def test_swap_counters_are_bytes(tmp_path: Path) -> None:
    write(tmp_path, {"proc/vmstat": "pgpgin 9\npswpin 3\npswpout 5\noom_kill 4\n"})

    memory = LinuxMemory(tmp_path)
    reading = memory.read()

    assert reading.swapped_in_bytes is not None and reading.swapped_out_bytes is not None
    assert reading.swapped_in_bytes % 3 == 0
    assert reading.swapped_in_bytes // 3 == reading.swapped_out_bytes // 5 >= 4096


def test_outside_any_memory_cgroup_the_machines_kills_count(tmp_path: Path) -> None:
    write(tmp_path, {"proc/vmstat": "oom_kill 4\n"})

    assert LinuxMemory(tmp_path).read().sample.oom_kills == 4


def test_a_swapped_out_trainer_keeps_its_footprint(tmp_path: Path) -> None:
    write(tmp_path, {"proc/77/status": "Name:\tpython\nVmRSS:\t 1000 kB\nVmSwap:\t 500 kB\n"})
    write(tmp_path, {"proc/78/status": "Name:\tpython\nState:\tZ (zombie)\n"})
    memory = LinuxMemory(tmp_path)

    assert memory.read(77).sample.footprint_bytes == 1500 * 1024
    assert memory.read(78).sample.footprint_bytes is None
    assert memory.read(79).sample.footprint_bytes is None


def test_a_process_and_its_peaks_are_one_file(tmp_path: Path) -> None:
    status = (
        "Name:\tVmRSS: 7 kB\nState:\tS (sleeping)\nVmPeak:\t 9000 kB\nVmSize:\t 8000 kB\n"
        "VmLck:\t 0 kB\nVmHWM:\t 3000 kB\nVmRSS:\t 1000 kB\nVmSwap:\t 500 kB\n"
    )
    write(tmp_path, {"proc/77/status": status})

    found = LinuxMemory(tmp_path).process(77)

    assert found == ProcessReading(1500 * 1024, 3000 * 1024, 8000 * 1024, 9000 * 1024)
    assert LinuxMemory(tmp_path).process(78) == ProcessReading()


def test_shared_pages_of_libraries_are_nobodys_footprint(tmp_path: Path) -> None:
    status = "VmHWM:\t 3000 kB\nVmRSS:\t 1000 kB\nRssAnon:\t 700 kB\nRssFile:\t 300 kB\n"
    write(tmp_path, {"proc/77/status": status})

    found = LinuxMemory(tmp_path).process(77)

    assert (found.footprint_bytes, found.peak_bytes) == (700 * 1024, 2700 * 1024)


def test_the_trainers_cgroup_counts_wherever_a_launcher_put_it(tmp_path: Path) -> None:
    """Like ``systemd-run --scope``: a scope beside the supervisor's, gone with its last process."""
    root = v2_machine(
        tmp_path,
        {
            "user.slice/run.scope/memory.events": "oom_kill 3\n",
            "user.slice/own.scope/memory.max": str(2 * GIB),
            "user.slice/own.scope/memory.current": str(GIB),
            "user.slice/own.scope/memory.events": "oom_kill 0\n",
        },
    )
    write(root, {"proc/77/cgroup": "0::/user.slice/own.scope\n", "proc/vmstat": "oom_kill 9\n"})
    write(root, {"proc/77/status": "Name:\tpython\nVmRSS:\t 1000 kB\n"})
    memory = LinuxMemory(root)

    before = memory.read()
    with_trainer = memory.read(77)
    write(root, {"proc/77/cgroup": "0::/\n", "proc/77/status": "State:\tX (dead)\n"})
    dying = memory.read(77)
    shutil.rmtree(root / "proc/77")
    after = memory.read(77)
    shutil.rmtree(root / "sys/fs/cgroup/user.slice/own.scope")
    vanished = memory.read(77)

    assert (before.sample.limit_bytes, before.sample.oom_kills) == (None, 3)
    assert (with_trainer.sample.limit_bytes, with_trainer.sample.oom_kills) == (2 * GIB, 0)
    assert dying.sample.limit_bytes == after.sample.limit_bytes == 2 * GIB
    assert before.counted != with_trainer.counted == after.counted
    # Not the machine's counter, with which nothing that was read before can be compared.
    assert vanished.sample.oom_kills is None


def test_the_root_of_version_2_counts_nothing_so_the_machine_does(tmp_path: Path) -> None:
    root = v2_machine(tmp_path, {}, own="/")
    write(root, {"proc/vmstat": "oom_kill 9\n"})

    assert LinuxMemory(root).read().sample.oom_kills == 9


def test_pressure_file_of_an_older_kernel_has_no_full_line() -> None:
    assert parse_pressure(STALLED.splitlines()[0]) == (38.10, None)


@pytest.mark.parametrize(
    ("some", "full", "word"),
    [
        (None, None, None),
        (0.0, 0.0, "normal"),
        (9.99, 0.0, "normal"),
        (10.0, 0.0, "warning"),
        (10.0, None, "warning"),
        (60.0, 9.99, "warning"),
        (60.0, 10.0, "critical"),
    ],
)
def test_pressure_words(some: float | None, full: float | None, word: str | None) -> None:
    assert pressure_word(some, full) == word
