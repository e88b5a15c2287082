"""``python -m cockpit.memory.worker``: traces plans for another process, one JSON line each way.

Importing mlx-lm takes seconds and tracing does not, so one process stays warm. It reads requests
from standard input until that ends, and answers on standard output; see ``client.py``.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cockpit.core.forecast import MemoryForecast
from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.memory.lengths import Batches, full_length, of_data


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever mlx-lm prints must not look like an answer
    _warm_up()
    print(json.dumps({"ready": True}), file=answers, flush=True)
    gc.disable()  # a graph is tens of thousands of objects, all dead together in the end
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({"id": request["id"]} | answer(request)), file=answers, flush=True)
        gc.collect()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The forecast for one request, or why there is none; the lengths of its data if asked so."""
    try:
        if request.get("lengths"):
            plan = RunPlan.model_validate(request["plan"])
            return {
                "forecast": {"train": _token_lengths(request["folder"], _data_fields(plan)).train}
            }
        forecast = _forecast(RunPlan.model_validate(request["plan"]), request)
        return {"forecast": forecast.model_dump()}
    except CockpitError as error:
        # A plan that the trainer would refuse as well has no peak.
        refused = getattr(error, "kind", None) == "plan"
        return {"error": error.to_json(), "refused": refused}
    except ValidationError as error:
        return {"error": {"title": "The plan is not valid", "message": str(error), "remedy": ""}}
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return {"error": {"title": "The model cannot be traced", "message": message, "remedy": ""}}


def _warm_up() -> None:
    from cockpit.memory import trace  # noqa: F401


def _forecast(plan: RunPlan, request: dict[str, Any]) -> MemoryForecast:
    whole = full_length(plan)
    try:
        batches = _batches(plan, request["folder"]) if request.get("data") else whole
    except (ValueError, OSError):
        _trace(plan, request, whole)  # where the model is the trouble, this says so
        raise
    if (batches.train, batches.micro) == (whole.train, whole.micro):
        return _trace(plan, request, whole)
    forecast = _trace(plan, request, batches)
    if not request.get("compare", True):
        return forecast
    at_full_length = _trace(plan, request, whole)
    length = f"{at_full_length.peak_bytes / 1e9:.1f} GB at full length"
    longest = f"longest batch {batches.train[1] - 1:,} tokens; {length}"
    return forecast.model_copy(
        update={
            "full_length_peak_bytes": at_full_length.peak_bytes,
            "notes": (*forecast.notes, f"with your data: {longest}"),
        }
    )


def _trace(plan: RunPlan, request: dict[str, Any], batches: Batches) -> MemoryForecast:
    from cockpit.memory import build
    from cockpit.memory.trace import Trained, trace

    where = Trained(request["backend"], request.get("chip"))
    if request.get("config"):
        model = build.from_config_alone(request["config"])
    else:
        model = build.from_folder(Path(request["folder"]), plan)
    adapted_layers = request.get("adapted_layers")
    found = trace(model, plan, batches.train, batches.valid, where, adapted_layers, batches.micro)
    return found.forecast


def _batches(plan: RunPlan, folder: str) -> Batches:
    tokens = _token_lengths(folder, _data_fields(plan))
    return of_data(plan, tokens.train, tokens.valid, tokens.prompts)


def _data_fields(plan: RunPlan) -> str:
    """What of a plan decides how long its examples are."""
    fields = {"data", "hf_dataset", "mask_prompt", "max_seq_length", "trust_remote_code"}
    fields |= {"long_examples"}
    fields |= {"prompt_feature", "completion_feature", "chat_feature", "text_feature"}
    return plan.model_dump_json(include=fields | {"model"})


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Of every training and validation example, and in ``prompts`` what the loss leaves out."""

    train: list[int]
    valid: list[int]
    prompts: tuple[list[int], list[int]]


@lru_cache(maxsize=8)
def _token_lengths(folder: str, fields: str) -> _Tokens:
    """The lengths of the examples, as the trainer counts them."""
    from mlx_lm.utils import load_tokenizer

    from cockpit.trainer import data

    plan = RunPlan.model_validate_json(fields)
    settings = {"trust_remote_code": plan.trust_remote_code}
    loaded = data.load(plan, load_tokenizer(Path(folder), settings), lambda _: None)
    train, valid = loaded.train, loaded.valid
    prompts = train.offsets.tolist(), valid.offsets.tolist()
    return _Tokens(train.lengths.tolist(), valid.lengths.tolist(), prompts)


if __name__ == "__main__":
    main()
