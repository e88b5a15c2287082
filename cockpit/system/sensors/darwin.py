"""The calls into macOS's libSystem that ``macos`` decodes. Not validated on a Mac.

Nothing here needs root. Every failure is None: a gauge that cannot be read is unknown.
"""

from __future__ import annotations

import ctypes
import functools

_HOST_VM_INFO64 = 4
_VM_INFO_INTS = 64  # rev1 has 38; the kernel answers with as many as it knows.
# The first with the lifetime's peak footprint: macOS 10.12.
_RUSAGE_INFO_V4 = 4
_RUSAGE_INFO_V4_BYTES = 296


class DarwinKernel:
    """sysctl, Mach host statistics and process usage through ctypes.

    Raises OSError or AttributeError off macOS, where libSystem is not there.
    """

    def __init__(self) -> None:
        self._lib = _libsystem()
        # Each mach_host_self() takes a reference on the port: ask once.
        self._host = self._lib.mach_host_self()

    def sysctl(self, name: str) -> bytes | None:
        size = ctypes.c_size_t(0)
        if self._lib.sysctlbyname(name.encode(), None, ctypes.byref(size), None, 0) != 0:
            return None
        answer = ctypes.create_string_buffer(size.value)
        if self._lib.sysctlbyname(name.encode(), answer, ctypes.byref(size), None, 0) != 0:
            return None
        return answer.raw[: size.value]

    def vm_statistics(self) -> bytes | None:
        answer = (ctypes.c_int32 * _VM_INFO_INTS)()
        count = ctypes.c_uint32(_VM_INFO_INTS)
        if self._lib.host_statistics64(self._host, _HOST_VM_INFO64, answer, ctypes.byref(count)):
            return None
        return bytes(answer)[: count.value * ctypes.sizeof(ctypes.c_int32)]

    def page_bytes(self) -> int | None:
        """The kernel's page, which the counts are in: 16 KiB on Apple silicon, Rosetta or not."""
        size = ctypes.c_size_t(0)
        if self._lib.host_page_size(self._host, ctypes.byref(size)) != 0:
            return None
        return size.value

    def rusage(self, pid: int) -> bytes | None:
        answer = ctypes.create_string_buffer(_RUSAGE_INFO_V4_BYTES)
        if self._lib.proc_pid_rusage(pid, _RUSAGE_INFO_V4, answer) != 0:
            return None
        return answer.raw


@functools.cache
def _libsystem() -> ctypes.CDLL:
    """libSystem with its signatures declared: a 64-bit argument passed as int is cut."""
    lib = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
    pointer, port = ctypes.c_void_p, ctypes.c_uint32
    lib.sysctlbyname.argtypes = [ctypes.c_char_p, pointer, pointer, pointer, ctypes.c_size_t]
    lib.mach_host_self.argtypes = []
    lib.mach_host_self.restype = port
    lib.host_statistics64.argtypes = [port, ctypes.c_int, pointer, pointer]
    lib.host_page_size.argtypes = [port, pointer]
    lib.proc_pid_rusage.argtypes = [ctypes.c_int, ctypes.c_int, pointer]
    return lib
