"""What is written about runs from their list: their tags, and exports of their data."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from cockpit.core import format as fmt
from cockpit.errors import CockpitError
from cockpit.system import export_file, tags
from cockpit.system.run_dir import RunDir
from cockpit.ui import exporting
from cockpit.ui.folder_suggester import FolderSuggester
from cockpit.ui.runs_columns import in_line
from cockpit.ui.screens.base import CockpitScreen, Result
from cockpit.ui.screens.dialogs import Question
from cockpit.ui.screens.line_dialog import LineDialog

TAGS_ABOUT = "Words between spaces, such as: baseline night. An empty line takes all away."
EXPORT_ABOUT = (
    "The ending says what is written: .csv a line an update, .json plan, summary and updates, "
    ".svg a picture of the losses."
)

# A million updates take half a minute: then it is said that it goes on.
SLOW_SECONDS = 1.0


class RunPapers:
    """The dialogs over a screen; ``changed`` is called once something was written."""

    def __init__(self, screen: CockpitScreen, changed: Callable[[], object]):
        self._screen = screen
        self._changed = changed
        self._kind = "csv"

    def tag(self, run: RunDir, now: Sequence[str]) -> None:
        """Asks for the run's tags, beginning with those it has."""

        def written(typed: str | None) -> None:
            if typed is not None and tags.parse(typed) != tuple(now):
                self._do(lambda: tags.write(run, tags.parse(typed)), said)

        def said(kept: Sequence[str]) -> None:
            self._screen.cockpit.say(f"{run.name}: {in_line(kept) or 'no tags'}")
            self._changed()

        title = f"Tags of {fmt.plain(run.name)}"
        self._screen.app.push_screen(LineDialog(title, TAGS_ABOUT, " ".join(now)), written)

    def export(self, runs: Sequence[RunDir]) -> None:
        """Asks for a file and writes the data of ``runs`` into it."""

        def named(typed: str | None) -> None:
            if typed:
                self._write_unless_there(runs, typed)

        what = fmt.plain(runs[0].name) if len(runs) == 1 else f"{len(runs)} marked runs"
        proposed = exporting.proposed(runs, self._kind, Path.cwd())
        dialog = LineDialog(
            f"Export {what}", EXPORT_ABOUT, proposed.name, suggester=FolderSuggester()
        )
        self._screen.app.push_screen(dialog, named)

    def _write_unless_there(self, runs: Sequence[RunDir], typed: str) -> None:
        try:
            path, kind = exporting.chosen(typed)
        except CockpitError as error:
            self._screen.cockpit.show_error(error)
            return
        self._kind = kind
        if not os.path.lexists(path):
            self._write(runs, path, kind, over=False)
            return
        question = Question("Write over that file?", str(path))
        self._screen.ask(question, lambda: self._write(runs, path, kind, over=True))

    def _write(self, runs: Sequence[RunDir], path: Path, kind: str, *, over: bool) -> None:
        screen = self._screen
        slow = screen.set_timer(SLOW_SECONDS, lambda: screen.cockpit.say(f"Writing {path.name}…"))

        def write() -> None:
            try:
                export_file.write(path, exporting.pieces(runs, kind), over=over)
            finally:
                screen.deliver(lambda _: slow.stop(), None)

        self._do(write, lambda _: screen.cockpit.say(f"Wrote {path}"))

    def _do(self, work: Callable[[], Result], then: Callable[[Result], object]) -> None:
        self._screen.run_worker(
            lambda: self._screen.attempt(work, then), thread=True, group="papers"
        )
