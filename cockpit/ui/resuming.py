"""Resuming from the interface: what a dialog says about it, and the start. Reads files."""

from __future__ import annotations

from cockpit.core.run_state import ACTIVE
from cockpit.errors import CockpitError
from cockpit.system import resume
from cockpit.system.resume import ResumePlan
from cockpit.system.run_dir import RunDir
from cockpit.ui import assessment
from cockpit.ui.assessment import Subject
from cockpit.ui.tracing import Tracer


def can_resume(status: str) -> bool:
    """Whether a run in that state may have something left to do."""
    return status not in ACTIVE and status != "completed"


def prepare(run: RunDir) -> ResumePlan:
    """How the run would go on under its own plan; CockpitError if it cannot."""
    prepared = resume.prepare(run)
    prepared.raise_refusal()
    return prepared


def in_words(prepared: ResumePlan) -> str:
    """From where, with what, and what to be aware of."""
    place = prepared.checkpoint.relative_to(prepared.run.path)
    parts = [
        f"From {place}, after update {prepared.state.update} of {prepared.plan.updates}.",
        _listed("Inherited", prepared.inherited),
        _listed("Overridden", prepared.overridden),
        _listed("! Warnings", prepared.warnings),
        _listed("! Passed over, damaged", prepared.passed_over),
    ]
    return "\n\n".join(part for part in parts if part)


def start(prepared: ResumePlan, tracer: Tracer) -> RunDir:
    """Starts the next attempt once the tracing process is gone; CockpitError if that fails.

    The forecast is that of the attempt before, whose plan it shares, or else a rough one.
    """
    document = prepared.run.attempt(prepared.after_attempt).forecast()
    tracer.close()
    if document is None:
        document = _rough(prepared)
    resume.start(prepared, document)
    return prepared.run


def _rough(prepared: ResumePlan) -> dict[str, object] | None:
    from cockpit.system import hardware

    try:
        found = assessment.assess(Subject(prepared.plan, hardware.this_machine()))
    except CockpitError:
        return None
    return found.figure.document if found.figure is not None else None


def _listed(title: str, lines: tuple[str, ...]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""
