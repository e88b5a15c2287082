"""The most a trainer took while it trained, told from what loading the model took."""

from __future__ import annotations

from cockpit.system.sensors.reading import ProcessReading


class Peaks:
    """Peaks of the footprint and of the address space, from readings in order.

    The kernel keeps a process's peaks itself, whatever falls between two readings, but for its
    whole life. Loading may have needed more than training ever will: then the readings count.
    """

    def __init__(self) -> None:
        self.now = ProcessReading()
        # At the start of training; None until then.
        self.before: ProcessReading | None = None
        self._footprint = 0
        self._address_space = 0

    def add(self, reading: ProcessReading, *, training: bool) -> None:
        self.now = reading
        if self.before is None:
            if not training:
                return
            self.before = reading
        self._footprint = max(self._footprint, reading.footprint_bytes or 0)
        self._address_space = max(self._address_space, reading.address_space_bytes or 0)

    @property
    def footprint_bytes(self) -> int:
        """Before training it is what the process takes now."""
        if self.before is None:
            return self.now.footprint_bytes or 0
        return max(self._footprint, _grown(self.before.peak_bytes, self.now.peak_bytes))

    @property
    def address_space_bytes(self) -> int:
        if self.before is None:
            return self.now.address_space_bytes or 0
        now = self.now.peak_address_space_bytes
        return max(self._address_space, _grown(self.before.peak_address_space_bytes, now))


def _grown(before: int | None, now: int | None) -> int:
    """A life's peak, if it was reached since; else 0."""
    return now if now is not None and now > (before or 0) else 0
