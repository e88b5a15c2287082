"""Keeping awake, with real helper processes.

The tools are stood in for by scripts with the same contract, because a test machine may have no
logind and is no Mac; the installed ``systemd-inhibit`` is tried as it is, whatever it answers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from cockpit.system.power import KeepAwake

# Runs the command after the options, as systemd-inhibit does once it has the lock.
INHIBIT = """\
#!/bin/sh
echo "$@" > "$LOG"
while [ "${1#--}" != "$1" ]; do shift; done
exec "$@"
"""
REFUSING = """\
#!/bin/sh
echo 'Failed to connect to bus: No such file or directory' >&2
exit 1
"""
# Waits for the pid after -w, as caffeinate does.
CAFFEINATE = """\
#!/bin/sh
echo "$@" > "$LOG"
while kill -0 "$4" 2>/dev/null; do sleep 0.1; done
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of PATH; write a tool into it with ``install``."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return tmp_path


def install(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(script)
    path.chmod(0o755)


def helpers_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_linux_blocks_idle_and_sleep_until_closed(tool: Path) -> None:
    install(tool, "systemd-inhibit", INHIBIT)

    with KeepAwake("fine-tuning", platform="linux") as awake:
        held = helpers_of(os.getpid())
        assert awake.active
        assert awake.method == "systemd-inhibit"
        options = (tool / "log").read_text()
        assert options.startswith("--what=idle:sleep --who=mlx-cockpit --why=fine-tuning")
        assert "--mode=block" in options

    assert not awake.active
    assert awake.method is None
    assert held and psutil.wait_procs(held, timeout=5)[1] == []


def test_mac_passes_its_own_pid_and_leaves_the_display_alone(tool: Path) -> None:
    install(tool, "caffeinate", CAFFEINATE)

    with KeepAwake(platform="darwin") as awake:
        assert awake.method == "caffeinate"
        assert (tool / "log").read_text().split() == ["-i", "-s", "-w", str(os.getpid())]


def test_closing_twice_and_without_starting_is_fine(tool: Path) -> None:
    install(tool, "systemd-inhibit", INHIBIT)
    awake = KeepAwake(platform="linux")
    awake.close()
    awake.start()
    awake.close()
    awake.close()

    assert not awake.active


def test_starting_twice_keeps_one_helper(tool: Path) -> None:
    install(tool, "systemd-inhibit", INHIBIT)

    with KeepAwake(platform="linux") as awake:
        before = helpers_of(os.getpid())
        awake.start()
        assert helpers_of(os.getpid()) == before


@pytest.mark.parametrize(
    ("platform", "name", "script"),
    [("linux", "systemd-inhibit", INHIBIT), ("darwin", "caffeinate", CAFFEINATE)],
    ids=["linux", "macos"],
)
def test_the_helper_dies_with_a_holder_killed_with_9(
    tool: Path, platform: str, name: str, script: str
) -> None:
    install(tool, name, script)
    code = textwrap.dedent(f"""
        import sys
        from cockpit.system.power import KeepAwake
        awake = KeepAwake(platform={platform!r}).start()
        print(awake.method, flush=True)
        sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline().strip() == name
        helpers = helpers_of(holder.pid)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        alive = psutil.wait_procs(helpers, timeout=10)[1]

    assert helpers
    assert alive == []


def test_the_helper_has_its_own_session_and_none_of_our_files(tool: Path) -> None:
    install(tool, "systemd-inhibit", INHIBIT)
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    try:
        with KeepAwake(platform="linux"):
            (helper,) = helpers_of(os.getpid())
            assert os.getsid(helper.pid) != os.getsid(0)
            if sys.platform == "linux":
                ours = {str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in (0, 1, 2, write_end)}
                theirs = {str(fd.readlink()) for fd in Path(f"/proc/{helper.pid}/fd").iterdir()}
                assert ours & theirs <= {"/dev/null"}
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_refusal_is_a_value_with_the_tools_own_words(tool: Path) -> None:
    install(tool, "systemd-inhibit", REFUSING)

    with KeepAwake(platform="linux") as awake:
        assert not awake.active
        assert awake.method is None
        assert "Failed to connect to bus" in awake.reason


@pytest.mark.parametrize(
    ("platform", "said"),
    [("linux", "systemd-inhibit"), ("darwin", "caffeinate"), ("sunos5", "sunos5")],
)
def test_a_missing_tool_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, said: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with KeepAwake(platform=platform) as awake:
        assert awake.method is None
        assert said in awake.reason


def test_the_installed_tool_holds_or_says_why_not() -> None:
    with KeepAwake("tests") as awake:
        assert awake.active == (awake.method is not None)
        assert awake.reason.startswith("kept awake" if awake.active else "sleep is not prevented")
