"""Faults at an exact call, without a seam in the product: Python loads this before the program.

``CRASH_FAULT`` is JSON: ``process`` (a module such as cockpit.trainer, found on the command
line), ``call`` (fsync, rename, mkdir, unlink, symlink, emit or write), ``nth`` (from 1) and
``how``: ``before`` and ``after`` kill this process there with SIGKILL, ``half`` in the middle of
what is being written, ``enospc`` and ``erofs`` refuse that call and those after it, as long as
the file named by ``until`` does not exist. Only calls that touch ``under`` count. The first
fault of a file ``mark`` leaves it behind; a process that finds it there behaves.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REAL = {name: getattr(os, name) for name in ("fsync", "open", "write")}
_ERRORS = {"enospc": errno.ENOSPC, "erofs": errno.EROFS}


class _Fault:
    def __init__(self, spec: dict[str, Any]):
        self.call = spec["call"]
        self.nth = spec["nth"]
        self.how = spec["how"]
        self.under = spec["under"]
        self.mark = spec["mark"]
        self.until: str = spec["until"]
        self.seen = 0

    def met(self, call: str, path: str) -> bool:
        """Whether this call is the one; counts it."""
        if call != self.call or not path.startswith(self.under):
            return False
        self.seen += 1
        if self.how in _ERRORS:
            return self.seen >= self.nth and not Path(self.until).exists()
        return bool(self.seen == self.nth)

    def happen(self, path: str) -> None:
        self.leave_a_mark()
        if self.how in _ERRORS:
            number = _ERRORS[self.how]
            raise OSError(number, os.strerror(number), path)
        os.kill(os.getpid(), signal.SIGKILL)

    def leave_a_mark(self) -> None:
        os.close(_REAL["open"](self.mark, os.O_CREAT | os.O_WRONLY))

    def around(self, call: str, path: str, action: Callable[[], Any]) -> Any:
        if not self.met(call, path):
            return action()
        try:
            if self.how == "after":
                action()
        finally:
            self.happen(path)


def _path_of(target: int | str | os.PathLike[str]) -> str:
    if not isinstance(target, int):
        return str(Path(target).absolute())
    try:
        return str(Path(f"/proc/self/fd/{target}").readlink())
    except OSError:
        name = fcntl.fcntl(target, fcntl.F_GETPATH, b"\0" * 1024)  # type: ignore[attr-defined]
        return os.fsdecode(name.rstrip(b"\0"))


def _wrap(fault: _Fault, call: str, name: str, which: int = 0) -> None:
    real = getattr(os, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if options.get("dir_fd") is not None:
            return real(*arguments, **options)
        path = _path_of(arguments[which])
        return fault.around(call, path, lambda: real(*arguments, **options))

    setattr(os, name, wrapped)


class _File:
    """A file that is written through the fault."""

    def __init__(self, real: Any, fault: _Fault, path: str):
        self._real, self._fault, self._path = real, fault, path

    def write(self, data: Any) -> Any:
        if not self._fault.met("write", self._path):
            return self._real.write(data)
        if self._fault.how in ("half", "after"):
            size = len(data) // 2 if self._fault.how == "half" else len(data)
            self._real.write(bytes(data)[:size])
            self._real.flush()
        return self._fault.happen(self._path)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *exception: object) -> None:
        self._real.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _wrap_open(fault: _Fault) -> None:
    real = io.open

    def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        found = real(file, mode, *arguments, **options)
        writes = not isinstance(file, int) and set(mode) & set("wax")
        return _File(found, fault, _path_of(file)) if writes else found

    io.open = builtins.open = opened


def _wrap_emit(fault: _Fault) -> None:
    def write(descriptor: int, data: bytes) -> Any:
        path = _path_of(descriptor)
        if not fault.met("emit", path):
            return _REAL["write"](descriptor, data)
        if fault.how in ("half", "after"):
            size = len(data) // 2 if fault.how == "half" else len(data)
            _REAL["write"](descriptor, bytes(data)[:size])
        return fault.happen(path)

    os.write = write  # type: ignore[assignment]


def _install(spec: dict[str, Any]) -> None:
    fault = _Fault(spec)
    if hasattr(fcntl, "F_FULLFSYNC"):
        del fcntl.F_FULLFSYNC  # So that macOS goes through fsync too.
    _wrap(fault, "fsync", "fsync")
    for name in ("rename", "replace"):
        _wrap(fault, "rename", name)
    _wrap(fault, "mkdir", "mkdir")
    _wrap(fault, "unlink", "unlink")
    _wrap(fault, "symlink", "symlink", 1)
    _wrap_open(fault)
    _wrap_emit(fault)


_spec = json.loads(os.environ.get("CRASH_FAULT", "null"))
if _spec and _spec["process"] in sys.orig_argv and not Path(_spec["mark"]).exists():
    _install(_spec)
