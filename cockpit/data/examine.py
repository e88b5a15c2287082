"""A data set from its files to its report: one pass, a few dozen bytes of memory an example."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.core.plan import RunPlan
from cockpit.data import example as examples
from cockpit.data import forms, lengths, texts, twins
from cockpit.data.findings import KEPT_LINES, Fault, Tally
from cockpit.data.lines import Row
from cockpit.data.markup import markup_of
from cockpit.data.reading import Progress, Reader
from cockpit.data.report import RenderedExample, Report, SplitReport
from cockpit.data.rows import Example, look_at
from cockpit.data.sources import Source, find_sources
from cockpit.data.tokens import Encoded, Encoder, Estimate, ModelTokens
from cockpit.errors import CockpitError
from cockpit.system.dataset import CHARACTERS_PER_TOKEN, SPLITS, SplitName
from cockpit.system.dataset_rows import DataKeys

ENORMOUS_TOKENS = lengths.USUAL_LENGTHS[-1]
FEW_EXAMPLES = 50
MUCH_PADDING = 0.3
_BATCH_EXAMPLES = 512
_BATCH_CHARACTERS = 1_000_000


def examine(
    where: Path,
    plan: RunPlan,
    encoder: Encoder | None = None,
    *,
    example: int = 1,
    progress: Progress = lambda done, total, count: None,
) -> Report:
    """Reads a data folder, or a file that could become one, and reports on it.

    ``example`` is the number of the training example to render. Raises CockpitError if there is
    nothing at ``where``, or fewer examples than that.
    """
    return _Examination(where, plan, encoder or Estimate(plan.mask_prompt), example).run(progress)


@dataclass(slots=True)
class _Split:
    """The tally of one split; the arrays have an entry for each usable example."""

    name: SplitName
    paths: list[Path] = field(default_factory=list)
    form: str | None = None
    examples: int = 0
    chats: int = 0
    answered: int = 0
    learnable: int = 0
    characters: int = 0
    lengths: array[int] = field(default_factory=lambda: array("L"))
    identities: twins.Identities = field(default_factory=twins.Identities)

    @property
    def path(self) -> Path:
        """Where a finding about the whole split stands."""
        return self.paths[0] if len(self.paths) == 1 else self.paths[0].parent


class _Examination:
    def __init__(self, where: Path, plan: RunPlan, encoder: Encoder, wanted: int):
        self._where, self._plan, self._wanted = where, plan, wanted
        self._tally = Tally()
        self._keys = DataKeys.of(plan)
        if isinstance(encoder, ModelTokens) and encoder.own_renderer:
            self._tally.note(where, Fault("template-unknown", encoder.name))
            encoder = Estimate(plan.mask_prompt)
        self._encoder = encoder
        self._tokens = texts.USUAL_TOKENS
        if isinstance(encoder, ModelTokens):
            self._tokens = texts.tokens_of_model(encoder.control_tokens)
        self._splits: dict[SplitName, _Split] = {}
        self._waiting: list[tuple[int, Example]] = []
        self._waiting_characters = 0
        self._handed: tuple[list[tuple[int, Example]], Future[list[Encoded]]] | None = None
        self._counter = ThreadPoolExecutor(1, "tokens")
        self._shown: RenderedExample | None = None
        # Whether the file as a whole was found to need it.
        self._to_convert = False

    def run(self, progress: Progress) -> Report:
        sources = find_sources(self._where, self._tally)
        passage = int(self._plan.max_seq_length * CHARACTERS_PER_TOKEN * 3 / 4)
        reader = Reader(sources, self._tally, passage, progress)
        with self._counter:
            for source in sources:
                split = self._splits.setdefault(source.split, _Split(source.split))
                split.paths.append(source.path)
                self._read(source, split, reader)
        if self._shown is None and self._wanted > 1:
            count = self._splits["train"].examples if "train" in self._splits else 0
            said = f"the training split has {count:,}"
            raise CockpitError(f"There is no example {self._wanted:,}", said, "Name another.")
        self._conclude()
        return self._report()

    def _read(self, source: Source, split: _Split, reader: Reader) -> None:
        form: str | None = None
        self._to_convert = self._tally.count("needs-conversion", source.path) > 0
        for line, row in reader.rows(source):
            split.examples += 1
            looked = None
            if row is not None and (found := self._form(source, row, form, line)):
                form = form or found
                split.form = split.form or found
                own = forms.to_own(row, found, self._keys)
                looked = self._look_at(source, split, own, line)
            if split.name == "train" and split.examples == self._wanted:
                self._shown = examples.rendered(
                    self._wanted, source.path, line, looked, self._encoder, self._plan
                )
        self._encode(source, split)
        self._encode(source, split)  # and what that handed over
        if split.examples == 0 and source.own:
            self._note_empty(source)

    def _note(self, source: Source, fault: Fault, line: int | None) -> None:
        self._tally.note(source.path, fault, line)

    def _form(self, source: Source, row: Row, first: str | None, line: int) -> str | None:
        """The layout of a row; None, with a finding, if it is not known."""
        form = forms.form_of(row, self._keys)
        if form is None:
            self._note(source, Fault("unknown-format", _keys_of(row)), line)
        elif first is not None and form != first:
            self._note(source, Fault("mixed-formats", f"{form} after {first}"), line)
        elif not forms.is_own(form) and not self._to_convert:
            self._note(source, Fault("needs-conversion", f"{form} layout"), line)
        return form

    def _note_empty(self, source: Source) -> None:
        """An empty file; one with a fault that kept it from being read has that already."""
        broken = ("unreadable", "compressed", "lfs-pointer", "web-page", "utf-16")
        if not any(self._tally.count(code, source.path) for code in broken):
            code = "train-empty" if source.split == "train" else "split-empty"
            self._note(source, Fault(code), None)

    def _look_at(
        self, source: Source, split: _Split, row: Row | Fault, line: int
    ) -> Example | None:
        if isinstance(row, Fault):
            self._note(source, row, line)
            return None
        example = look_at(row, self._plan.mask_prompt)
        if example.messages is None and example.texts and markup_of(example.texts[0]):
            example.faults.append(Fault("template-in-text"))
        else:
            example.faults += texts.faults_of(example.texts, self._tokens)
        for fault in example.faults:
            self._note(source, fault, line)
        if example.messages is not None:
            split.chats += 1
            split.answered += example.answered
        if example.usable:
            self._waiting.append((line, example))
            self._waiting_characters += example.characters
            if (
                len(self._waiting) >= _BATCH_EXAMPLES
                or self._waiting_characters >= _BATCH_CHARACTERS
            ):
                self._encode(source, split)
        return example

    def _encode(self, source: Source, split: _Split) -> None:
        """Hands the waiting examples over to be counted, and takes in those handed over before.

        A thread counts one batch while the next is read: the tokenizer leaves Python for it.
        """
        handed, self._handed = self._handed, None
        if self._waiting:
            waiting, self._waiting, self._waiting_characters = self._waiting, [], 0
            asked = self._counter.submit(self._encoder.encode, [e for _, e in waiting])
            self._handed = waiting, asked
        if handed is not None:
            self._settle(source, split, *handed)

    def _settle(
        self,
        source: Source,
        split: _Split,
        waiting: list[tuple[int, Example]],
        asked: Future[list[Encoded]],
    ) -> None:
        for (line, example), encoded in zip(waiting, asked.result(), strict=True):
            for fault in encoded.faults:
                self._note(source, fault, line)
            if encoded.length is None:
                continue
            split.lengths.append(encoded.length)
            split.characters += example.characters
            split.identities.add(example.texts, line)
            self._note_length(source, split, encoded.length, encoded.offset, line)

    def _note_length(
        self, source: Source, split: _Split, length: int, offset: int, line: int
    ) -> None:
        longest = self._plan.max_seq_length
        if length > ENORMOUS_TOKENS:
            self._note(source, Fault("enormous", f"{length:,} tokens"), line)
        if self._plan.mask_prompt and offset >= min(longest, length):
            said = f"the prompt has {offset:,} tokens, max_seq_length is {longest:,}"
            self._note(source, Fault("mask-nothing-left", said), line)
            return
        split.learnable += 1
        if length > longest:
            said = f"{length:,} tokens, max_seq_length is {longest:,}"
            self._note(source, Fault("truncated", said), line)

    def _conclude(self) -> None:
        """What only the whole shows."""
        train, valid = self._splits.get("train"), self._splits.get("valid")
        if train is not None:
            self._conclude_train(train)
            if valid is None or not valid.examples:
                self._tally.note(self._where, Fault("no-valid"))
            elif valid.examples < self._plan.batch_size:
                said = f"{valid.examples} examples, batch_size {self._plan.batch_size}"
                self._tally.note(valid.path, Fault("valid-fewer-than-a-batch", said))
        for split in self._splits.values():
            self._find_twins(split)
        guessed = not isinstance(self._encoder, ModelTokens)
        if guessed and train and not self._tally.count("template-unknown", self._where):
            self._tally.note(self._where, Fault("no-model"))

    def _conclude_train(self, train: _Split) -> None:
        usable = len(train.lengths)
        if usable and not train.learnable:
            self._tally.note(train.path, Fault("mask-nothing-at-all"))
        elif train.learnable and train.learnable < self._plan.batch_size:
            said = f"{train.learnable} examples, batch_size {self._plan.batch_size}"
            self._tally.note(train.path, Fault("fewer-than-a-batch", said))
        if train.chats and train.chats == usable and not train.answered:
            self._tally.note(train.path, Fault("no-assistant-at-all"))
        if 0 < usable < FEW_EXAMPLES:
            self._tally.note(train.path, Fault("few-examples", f"{usable} examples"))

    def _find_twins(self, split: _Split) -> None:
        exact, loose = twins.within(split.identities, KEPT_LINES)
        self._note_twins(split, "duplicate", exact)
        self._note_twins(split, "near-duplicate", loose)
        earlier: Sequence[SplitName] = SPLITS[: SPLITS.index(split.name)]
        others = [self._splits[name].identities for name in earlier if name in self._splits]
        exact, loose = twins.across(split.identities, others, KEPT_LINES)
        self._note_twins(split, "leak", exact)
        self._note_twins(split, "near-leak", loose)

    def _note_twins(self, split: _Split, code: str, found: twins.Twins) -> None:
        if not found.count:
            return
        share = f"{found.count / len(split.lengths):.1%} of the examples"
        for line in found.lines:
            self._tally.note(split.path, Fault(code, share), line)
        rest = found.count - len(found.lines)
        self._tally.note(split.path, Fault(code, share), count=rest)

    def _report(self) -> Report:
        train = self._splits.get("train")
        counted = train.lengths if train else array("L")
        batching = lengths.batching(counted, self._plan)
        if batching is not None and batching.mixing_share > MUCH_PADDING and train:
            said = f"{batching.mixing_share:.0%} more at batch_size {batching.batch_size} than at 1"
            self._tally.note(train.path, Fault("padding", said))
        return Report(
            self._where,
            self._encoder.name,
            tuple(_summed(self._splits[name]) for name in SPLITS if name in self._splits),
            lengths.cuts(counted, self._plan.max_seq_length),
            lengths.recommended(counted),
            lengths.histogram(counted),
            batching,
            self._tally.findings(),
            self._shown,
        )


def _summed(split: _Split) -> SplitReport:
    return SplitReport(
        split.name,
        tuple(split.paths),
        split.form,
        split.examples,
        len(split.lengths),
        split.characters,
        lengths.summary(split.lengths),
    )


def _keys_of(row: Row) -> str:
    return "found " + (", ".join(repr(key) for key in list(row)[:6]) or "no keys")
