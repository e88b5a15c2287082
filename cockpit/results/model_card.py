"""README.md of a fused model: what was trained on what, how it went, and how it was made."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from cockpit.core.format import gigabytes, loss, plain
from cockpit.core.plan import RunPlan
from cockpit.core.run_state import RunState
from cockpit.results import kept
from cockpit.results.choice import Choice

ROWS = 12
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#!|~$])")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def escaped(text: object) -> str:
    """``text`` on one line as Markdown shows it, whatever it holds."""
    return html.escape(_PUNCTUATION.sub(r"\\\1", plain(text)), quote=False)


def fenced(text: str, language: str = "") -> str:
    """``text`` as a block of code that it cannot end itself."""
    runs = [len(found) for found in re.findall(r"`+", text)]
    fence = "`" * max(3, 1 + max(runs, default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def write(path: Path, choice: Choice, state: RunState, document: dict[str, Any]) -> None:
    """``document`` is what ``cockpit fuse --json`` prints; raises OSError."""
    path.write_text("\n".join(_lines(choice, state, document)) + "\n", encoding="utf-8")


def _lines(choice: Choice, state: RunState, document: dict[str, Any]) -> Iterator[str]:
    plan = choice.plan
    base = _shared_name(plan.model)
    yield from _front_matter(plan)
    yield f"# {escaped(plan.name or choice.run.name)}"
    yield ""
    yield (
        f"{escaped(base)}, fine-tuned ({plan.fine_tune_type}) and fused. "
        f"It is the checkpoint after update {choice.update} of the run {escaped(choice.run.name)}."
    )
    yield ""
    yield fenced(f"mlx_lm.generate --model {_shell(path_name(document))} --prompt '...'", "sh")
    yield from _section("What it is made from")
    yield from _table(("What", "Value"), _facts(choice, document))
    yield from _section("How it was trained")
    yield from _table(("Update", "Train loss", "Validation loss"), curve_rows(choice, state))
    yield ""
    yield fenced(_plan_text(plan), "toml")
    yield from _section("What fusing changed")
    yield from _table(("What", "Value"), _check_rows(document["check"]))


def path_name(document: dict[str, Any]) -> str:
    return Path(document["path"]).name


def _front_matter(plan: RunPlan) -> Iterator[str]:
    """YAML, of which JSON strings are a part."""
    yield "---"
    yield "library_name: mlx"
    yield "pipeline_tag: text-generation"
    yield f"tags: [mlx, {plan.fine_tune_type}]"
    if _HUB_NAME.fullmatch(plan.model):
        yield f"base_model: {json.dumps(plan.model)}"
    yield "---"


def _facts(choice: Choice, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    state = choice.state
    yield "Base model", _shared_name(choice.plan.model)
    yield "Base model, sha256 of its configuration and parts of its weights", state.model_sha256
    yield "Training examples, sha256 of their tokens", state.data_sha256
    for name, digest in sorted(state.data_files.items()):
        yield f"{name}, sha256", digest
    yield "Updates, tokens trained on", f"{state.update:,}, {state.trained_tokens:,}"
    yield "Trained on", state.device or "n/a"
    yield "Weights", f"{document['dtype']}, {gigabytes(document['size_bytes'])}"
    for name, version in sorted(state.versions.items()):
        yield f"Version of {name} in training", version
    for name, version in sorted(document["versions"].items()):
        yield f"Version of {name} in fusing", version


def curve_rows(choice: Choice, state: RunState) -> list[tuple[str, str, str]]:
    """A dozen updates from first to last, and every one of the best validation among them."""
    validated = {v.update: v.loss for v in state.validations if v.update <= choice.update}
    trained = {update: value for update, value in state.losses if update <= choice.update}
    updates = sorted({*validated, *trained})
    picked = (
        {updates[round(i * (len(updates) - 1) / (ROWS - 1))] for i in range(ROWS)}
        if (len(updates) > ROWS)
        else set(updates)
    )
    picked |= {min(validated, key=lambda update: validated[update])} if validated else set()
    return [
        (f"{update:,}", loss(trained.get(update)), loss(validated.get(update)))
        for update in sorted(picked)
    ]


def _check_rows(check: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Positions compared with the adapted model", f"{check['tokens']:,}"
    yield "Largest difference of a logit", f"{check['largest_difference']:.3g}"
    yield "Divergence from the adapted model, nats", f"{check['divergence']:.3g}"
    yield "Divergence of the base from it, nats", f"{check['adapter_divergence']:.3g}"
    yield "Same likeliest token", f"{check['same_choice']:.1%}"
    yield "Kept of what was learned, as the logits tell", kept.percent(check["kept"])


def _table(headers: Sequence[str], rows: Any) -> Iterator[str]:
    yield "| " + " | ".join(headers) + " |"
    yield "|" + "---|" * len(headers)
    for row in rows:
        yield "| " + " | ".join(escaped(cell) for cell in row) + " |"


def _section(title: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")


def _plan_text(plan: RunPlan) -> str:
    """The plan as a file that can be trained again, without anybody's folders."""
    fields = plan.model_dump(mode="json", exclude_none=True)
    for name in ("model", "data", "resume_adapter_file", "adapter_path"):
        if fields.get(name):
            fields[name] = _shared_name(fields[name])
    return plain_block(tomli_w.dumps(fields))


def plain_block(text: str) -> str:
    return "\n".join(plain(line) for line in text.splitlines())


def _shared_name(name: str) -> str:
    """A hub name as it is; of a folder its name alone: where it was is nobody's business."""
    return name if _HUB_NAME.fullmatch(name) else Path(name).name or name


def _shell(name: str) -> str:
    return name if re.fullmatch(r"[\w./-]+", name) else json.dumps(plain(name))
