"""A plan in the making: texts as typed, what is wrong with them, and iterations from epochs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cockpit.core.plan import RunPlan, iters_for_epochs
from cockpit.ui import plan_fields
from cockpit.ui.plan_fields import LORA_FIELDS


class PlanDraft:
    """Holds one text a field. Either ``epochs`` or ``iters`` leads, whichever was set last.

    ``train_examples`` is None until the data set was looked at: epochs are unknown so long.
    """

    def __init__(self, plan: RunPlan):
        self._texts = _texts(plan)
        self._epochs = ""
        self._epochs_lead = False
        self._train_examples: int | None = None
        self.profiles: tuple[str, ...] = ()
        self.profile = ""
        self._touched: set[str] = set()

    @property
    def epochs_lead(self) -> bool:
        return self._epochs_lead

    @property
    def train_examples(self) -> int | None:
        return self._train_examples

    @train_examples.setter
    def train_examples(self, examples: int | None) -> None:
        self._train_examples = examples
        self._settle()

    def text(self, name: str) -> str:
        """What the form shows for a field."""
        if name == "profile":
            return self.profile
        return self._epochs if name == "epochs" else self._texts[name]

    def rebase(self, plan: RunPlan) -> None:
        """Takes over ``plan``, save for the fields the person has set."""
        fresh = _texts(plan)
        self._texts |= {name: fresh[name] for name in fresh if name not in self._touched}
        self._settle()

    @property
    def touched(self) -> bool:
        """Whether the person has set anything."""
        return bool(self._touched)

    def load(self, plan: RunPlan) -> None:
        """Takes over ``plan`` as a whole, as if each field had been typed."""
        self._texts = _texts(plan)
        self._touched = set(self._texts)
        self._epochs_lead = False
        self._settle()

    def copy(self) -> PlanDraft:
        """The same draft, to be changed without this one."""
        other = copy.copy(self)
        other._texts, other._touched = dict(self._texts), set(self._touched)
        return other

    def take(self, other: PlanDraft) -> None:
        """Is as ``other`` was; what is known of data and machines stays."""
        self._texts, self._touched = dict(other._texts), set(other._touched)
        self._epochs, self._epochs_lead = other._epochs, other._epochs_lead
        self._settle()

    def differences(self, other: PlanDraft) -> list[tuple[str, str, str]]:
        """The fields that are otherwise in ``other``: name, the text here, the text there."""
        pairs = ((name, self.text(name), other.text(name)) for name in plan_fields.all_fields())
        return [(name, here, there) for name, here, there in pairs if here != there]

    def set(self, name: str, text: str) -> None:
        """Takes a text as typed, right or wrong."""
        self._touched.add(name)
        if name == "profile":
            self.profile = text
        elif name == "epochs":
            self._epochs, self._epochs_lead = text.strip(), True
        else:
            self._texts[name] = text.strip()
        if name == "iters":
            self._epochs_lead = False
        self._settle()

    def apply(self, changes: Mapping[str, Any]) -> None:
        """Sets fields to values. Iterations that follow from epochs go on doing so."""
        for name, value in changes.items():
            if name != "iters" or not self._epochs_lead:
                self.set(name, plan_fields.write(value))

    def step(self, name: str, direction: int) -> bool:
        """Goes to the next value; False where a field has none."""
        choices = self.profiles if name == "profile" else ()
        following = plan_fields.stepped(name, self.text(name), direction, choices)
        if following is None or (name != "profile" and self._rejects(name, following)):
            return False
        self.set(name, following)
        return True

    def problem(self, name: str) -> str | None:
        """What is wrong with a field, in a few words."""
        return self._rejects(name, self.text(name))

    def problems(self) -> dict[str, str]:
        """All of them, by field, in the form's order."""
        found = ((name, self.problem(name)) for name in plan_fields.all_fields())
        return {name: problem for name, problem in found if problem is not None}

    def plan(self, model: str) -> RunPlan:
        """The plan as it stands; ValueError with the first problem in words."""
        for name, problem in self.problems().items():
            raise ValueError(f"{name}: {problem}")
        values = {name: plan_fields.read(name, text) for name, text in self._texts.items()}
        lora = {name: values.pop(name) for name in LORA_FIELDS}
        try:
            return RunPlan.model_validate({**values, "lora_parameters": lora, "model": model})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = f"{first['loc'][0]}: " if first["loc"] else ""
            raise ValueError(where + first["msg"].removeprefix("Value error, ")) from error

    @property
    def batches(self) -> tuple[int, int] | None:
        """batch_size and grad_accumulation_steps; None unless both are numbers to go by."""
        batch = _number(self._texts["batch_size"])
        accumulation = _number(self._texts["grad_accumulation_steps"])
        if not batch or not accumulation or batch < 1 or accumulation < 1:
            return None
        return int(batch), int(accumulation)

    def trouble(self, model: str) -> str:
        """What is wrong with the plan, field or whole; empty if it is one."""
        try:
            self.plan(model)
        except ValueError as error:
            return str(error)
        return ""

    def _rejects(self, name: str, text: str) -> str | None:
        if name == "profile":
            return None
        if name == "epochs":
            return self._rejects_epochs(text)
        try:
            plan_fields.read(name, text)
        except ValueError as error:
            return str(error)
        if name == "data" and not text and not self._texts["hf_dataset"]:
            return "name a folder with train.jsonl"
        return None

    def _rejects_epochs(self, text: str) -> str | None:
        if not self._epochs_lead and not text:
            return None
        epochs = _number(text)
        return None if epochs is not None and epochs > 0 else "must be a number more than 0"

    def _settle(self) -> None:
        """Makes iters follow epochs, or epochs follow iters."""
        batches, examples = self.batches, self._train_examples
        if batches is None or not examples:
            if not self._epochs_lead:
                self._epochs = ""
            return
        batch, accumulation = batches
        if self._epochs_lead:
            epochs = _number(self._epochs)
            if epochs is not None and epochs > 0:
                iters = iters_for_epochs(epochs, examples, batch, accumulation)
                self._texts["iters"] = str(iters)
            return
        iters_now = _number(self._texts["iters"])
        self._epochs = f"{iters_now * batch / examples:.3g}" if iters_now else ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e12 else None


def _texts(plan: RunPlan) -> dict[str, str]:
    values: dict[str, Any] = {name: getattr(plan, name) for name in RunPlan.model_fields}
    del values["model"]
    lora = values.pop("lora_parameters")
    values |= {name: getattr(lora, name) for name in LORA_FIELDS}
    return {name: plan_fields.write(value) for name, value in values.items()}
