"""The run's headline: its state in a glyph and a word, its progress, and what it last said."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.core import format as fmt
from cockpit.core import guard
from cockpit.ui.bars import bar
from cockpit.ui.spans import Line, Role, line, spread, width_of
from cockpit.ui.view import RunView, last_word, worst_note
from cockpit.ui.widgets.lines import Lines

# A glyph and a role for each status; the word is always beside them.
STATUS: dict[str, tuple[str, Role]] = {
    "starting": ("◌", "accent"),
    "running": ("●", "good"),
    "paused": ("‖", "warn"),
    "stopping": ("◍", "warn"),
    "recovering": ("◒", "warn"),
    "stopped": ("■", "label"),
    "completed": ("✓", "good"),
    "failed": ("✗", "bad"),
}
NOTE_ROLE: dict[str, Role] = {"info": "label", "warning": "warn", "error": "bad"}


class Headline(Lines):
    """Two lines: state, phase, time and the last word; then progress and the next step."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None

    def update_view(self, view: RunView) -> None:
        self._view = view
        self.redraw()

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self._view is None:
            return ()
        return (status_line(self._view, width), progress_line(self._view, width))


def status_span(status: str) -> Line:
    glyph, role = STATUS.get(status, ("?", "label"))
    return line((f"{glyph} {status}", role))


def status_line(view: RunView, width: int) -> Line:
    state = view.state
    left: Line = (*line(" "), *status_span(state.status))
    if state.trains and state.phase not in (state.status, "training"):
        left = (*left, (f"  {state.phase}", "label"))
    if state.attempt > 1:
        left = (*left, (f"  attempt {state.attempt}", "label"))
    return spread((*left, ("   ", "text"), *message(view)), _times(view), width)


def message(view: RunView) -> Line:
    """How it ended, or the newest thing the person should know."""
    if view.state.status == "recovering":
        text = "it ran out of memory: looking for the first change that fits"
        return line((text, "warn"), (" s", "accent"), (" calls that off", "label"))
    if (word := last_word(view)) is not None:
        title, said, remedy = (fmt.plain(part) for part in word)
        role: Role = "bad" if view.state.status == "failed" else "label"
        detail = ": ".join(part for part in (title, said) if part)
        return line((detail, role), (f" → {remedy}" if remedy else "", "label"))
    if view.concerns:
        found = view.concerns[0]
        key, does = ("e", "explains") if found.act == "explain" else ("a", "acts on it")
        return line(
            (f"! {found.title} ", "warn"),
            (key, "accent"),
            f" {does}",
            (f": {found.evidence}", "label"),
        )
    if view.state.guard is not None:
        title, said, _ = guard.told(view.state.guard)
        return line((f"! {fmt.plain(title)}: {fmt.plain(said)}", "warn"))
    if view.state.recoveries and view.state.active:
        times = len(view.state.recoveries)
        text = f"went on after running out of memory {times} time{'s' if times > 1 else ''}"
        return line((text, "warn"), (" l", "accent"), (" tells the story", "label"))
    note = worst_note(view)
    if note is not None and (view.state.active or note.level != "info"):
        sign = "" if note.level == "info" else "! "
        text = fmt.plain(note.message) + (f" → {fmt.plain(note.remedy)}" if note.remedy else "")
        return line((sign + text, NOTE_ROLE[note.level]))
    return ()


def way_on(view: RunView) -> str:
    """What the key that goes on would do; empty if nothing can go on."""
    if view.recoverable:
        return "shows the ways on"
    return "resumes it" if view.can_resume else ""


def _times(view: RunView) -> Line:
    spans: Line = (("  ", "text"), (fmt.duration(view.elapsed_seconds), "text"))
    if view.state.trains:
        spans = (*spans, ("  left ", "label"), (fmt.duration(view.state.eta_seconds), "strong"))
    return (*spans, (" ", "text"))


def progress_line(view: RunView, width: int) -> Line:
    state = view.state
    done = f" {fmt.count(state.update)} of {fmt.count(state.updates)} updates "
    offer = line("· ", ("R", "accent"), f" {way_on(view)} ") if way_on(view) else ()
    share = view.share_done
    end = f"{fmt.percent(share):>5} "
    room = max(4, width - len(done) - len(end) - width_of(offer) - 1)
    role: Role = STATUS.get(state.status, ("", "train"))[1]
    shown: Role = "train" if state.status in ("running", "starting") else role
    return line(" ", *bar(share, room, shown), (end, "strong"), (done, "text"), *offer)
