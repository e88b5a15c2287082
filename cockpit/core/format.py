"""Numbers and foreign text as the interface writes them. Unknown is "n/a", never 0."""

from __future__ import annotations

import unicodedata

NOT_AVAILABLE = "n/a"
REPLACEMENT = "\ufffd"

# Control, format (bidirectional overrides, zero-width), surrogate, private, unassigned, and the
# separators of lines and paragraphs.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain(text: object) -> str:
    """``text`` on one line, every character that a terminal would obey shown as U+FFFD.

    For names, paths, logs and messages that come from outside; white space becomes a space.
    """
    shown = (" " if c in "\t\n\r\v\f" else c for c in str(text))
    return "".join(c if _is_shown(c) else REPLACEMENT for c in shown)


def plain_lines(text: str) -> list[str]:
    """``plain`` for each line of ``text``, which keeps its line breaks."""
    return [plain(line) for line in text.splitlines()] or [""]


def _is_shown(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    return unicodedata.category(character) not in _UNSHOWN


def gigabytes(size_bytes: float | None) -> str:
    """``1.24 GB`` (10**9 bytes), or MB below a tenth of that."""
    if size_bytes is None:
        return NOT_AVAILABLE
    if not size_bytes:
        return "0 GB"
    if abs(size_bytes) < 1e8:
        megabytes = size_bytes / 1e6
        return f"{megabytes:.1f} MB" if abs(megabytes) < 10 else f"{megabytes:.0f} MB"
    return f"{size_bytes / 1e9:.2f} GB" if abs(size_bytes) < 1e10 else f"{size_bytes / 1e9:.1f} GB"


def need_of(need_bytes: int | None, budget_bytes: int | None) -> str:
    """``1.20 GB of 1.50 GB``, or ``4.0 MB over 1.50 GB`` where that would say the same twice."""
    over = excess(need_bytes, budget_bytes)
    room = gigabytes(budget_bytes)
    return f"{over} over {room}" if over else f"{gigabytes(need_bytes)} of {room}"


def excess(need_bytes: int | None, budget_bytes: int | None) -> str:
    """How much is too much where a need and a smaller budget read alike; empty otherwise."""
    if need_bytes is None or budget_bytes is None or need_bytes <= budget_bytes:
        return ""
    if gigabytes(need_bytes) != gigabytes(budget_bytes):
        return ""
    over = need_bytes - budget_bytes
    return gigabytes(over) if over >= 100_000 else "0.1 MB"


def gibibytes(size_bytes: int | None) -> str:
    """``8.0 GiB`` (2**30 bytes), as memory is sold."""
    return NOT_AVAILABLE if size_bytes is None else f"{size_bytes / 2**30:.1f} GiB"


def band(low_bytes: int | None, high_bytes: int | None) -> str:
    """``0.80 to 2.00 GB``, both in the unit of the higher one; empty if either is unknown."""
    if low_bytes is None or high_bytes is None:
        return ""
    high = gigabytes(high_bytes)
    low = f"{low_bytes / 1e6:.0f}" if high.endswith("MB") else f"{low_bytes / 1e9:.2f}"
    return f"{low} to {high}"


def rate(bytes_per_second: float | None) -> str:
    """``3.1 MB/s``."""
    if bytes_per_second is None:
        return NOT_AVAILABLE
    return f"{bytes_per_second / 1e6:.1f} MB/s" if bytes_per_second else "0 MB/s"


def duration(seconds: float | None) -> str:
    """``1h02m``, ``3m07s`` or ``12s``."""
    if seconds is None:
        return NOT_AVAILABLE
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def loss(value: float | None) -> str:
    """Three decimals, more for what is small, an exponent for what is huge."""
    if value is None:
        return NOT_AVAILABLE
    if 0 < abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"


def scientific(value: float | None) -> str:
    """``1e-05``, as configurations write learning rates."""
    return NOT_AVAILABLE if value is None else f"{value:.3g}"


def count(value: int | None) -> str:
    """Thousands separated: ``12,345``."""
    return NOT_AVAILABLE if value is None else f"{value:,}"


def speed(tokens_per_second: float | None) -> str:
    return NOT_AVAILABLE if tokens_per_second is None else f"{tokens_per_second:,.0f} tokens/s"


def percent(share: float | None) -> str:
    """Rounded down, so that 100% means done."""
    return NOT_AVAILABLE if share is None else f"{int(share * 100)}%"


def parameters(number: int | None) -> str:
    """``1.2 M`` or ``7.6 B`` parameters."""
    if number is None:
        return NOT_AVAILABLE
    if number >= 1e9:
        return f"{number / 1e9:.1f} B"
    return f"{number / 1e6:.1f} M" if number >= 1e5 else f"{number:,}"
