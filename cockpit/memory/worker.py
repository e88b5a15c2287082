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
from cockpit.memory import lengths, process_size
from cockpit.memory.lengths import Batches


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
            return {"forecast": {"train": _lengths(request, plan).train}}
        forecast = _forecast(RunPlan.model_validate(request["plan"]), request)
        return {"forecast": forecast.model_dump()}
    except CockpitError as error:
        # A plan that the trainer would refuse as well has no peak.
        refused = getattr(error, "kind", None) in ("plan", "model")
        return {"error": error.to_json(), "refused": refused}
    except ValidationError as error:
        return {"error": {"title": "The plan is not valid", "message": str(error), "remedy": ""}}
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return {"error": {"title": "The model cannot be traced", "message": message, "remedy": ""}}


def _warm_up() -> None:
    import cockpit.trainer.attempt  # noqa: F401
    from cockpit.memory import extend  # noqa: F401

    process_size.measure_imports()


def _forecast(plan: RunPlan, request: dict[str, Any]) -> MemoryForecast:
    whole = lengths.full_length(plan)
    try:
        named = request.get("data")
        tokens = _lengths(request, plan) if named else None
    except (ValueError, OSError):
        _trace(plan, request, whole)  # where the model is the trouble, this says so
        raise
    if tokens is None:
        return _trace(plan, request, whole)
    batches = lengths.of_data(plan, tokens.train, tokens.valid, tokens.prompts, tokens.test)
    forecast = _with_data(_trace(plan, request, batches), tokens, batches, request)
    if (batches.train, batches.micro) == (whole.train, whole.micro):
        return forecast
    if not request.get("compare", True) or forecast.method == "analytic":
        return forecast  # what is extended from short traces takes too long to be made twice
    at_full_length = _trace(plan, request, whole)
    length = f"{at_full_length.peak_bytes / 1e9:.1f} GB at full length"
    longest = f"longest batch {forecast.longest_batch_tokens:,} tokens; {length}"
    return forecast.model_copy(
        update={
            "full_length_peak_bytes": at_full_length.peak_bytes,
            "notes": (*forecast.notes, f"with your data: {longest}"),
        }
    )


def _with_data(
    forecast: MemoryForecast, tokens: _Tokens, batches: Batches, request: dict[str, Any]
) -> MemoryForecast:
    """With the length of the longest batch, and with what the examples themselves take."""
    data_bytes = process_size.of_data(
        request["backend"], tokens.train, tokens.valid, tokens.test[0]
    )
    return forecast.model_copy(
        update={
            "longest_batch_tokens": batches.train[1] - 1,
            "footprint_bytes": forecast.needed_bytes + data_bytes,
        }
    )


def _trace(plan: RunPlan, request: dict[str, Any], batches: Batches) -> MemoryForecast:
    from cockpit.memory import build, extend
    from cockpit.memory.trace import Trained

    folder = request.get("folder")
    seen = json.dumps(request.get("seen"))
    prompts = _prompt_tokens(folder, plan.sample_prompts, plan.trust_remote_code, seen)
    where = Trained(request["backend"], request.get("chip"), prompt_tokens=prompts)

    def make() -> Any:
        if request.get("config"):
            return build.from_config_alone(request["config"])
        return build.from_folder(Path(request["folder"]), plan)

    return extend.forecast(make, plan, batches, where, request.get("adapted_layers"))


def _data_fields(plan: RunPlan) -> str:
    """What of a plan decides how long its examples are."""
    fields = {"data", "hf_dataset", "mask_prompt", "max_seq_length", "trust_remote_code"}
    fields |= {"long_examples", "test"}
    fields |= {"prompt_feature", "completion_feature", "chat_feature", "text_feature"}
    return plan.model_dump_json(include=fields | {"model"})


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Of every training and validation example, and in ``prompts`` what the loss leaves out;
    in ``test`` both of the examples to test on, where the plan does."""

    train: list[int]
    valid: list[int]
    prompts: tuple[list[int], list[int]]
    test: tuple[list[int], list[int]]


def _lengths(request: dict[str, Any], plan: RunPlan) -> _Tokens:
    seen = json.dumps(request.get("seen"))
    return _token_lengths(request["folder"], _data_fields(plan), seen)


@lru_cache(maxsize=8)
def _token_lengths(folder: str, fields: str, seen: str) -> _Tokens:
    """The lengths of the examples, as the trainer counts them; ``seen`` tells edited data apart."""
    from mlx_lm.utils import load_tokenizer

    from cockpit.trainer import data

    plan = RunPlan.model_validate_json(fields)
    settings = {"trust_remote_code": plan.trust_remote_code}
    loaded = data.load(plan, load_tokenizer(Path(folder), settings), lambda _: None)
    train, valid, test = loaded.train, loaded.valid, loaded.test
    return _Tokens(
        train.lengths.tolist(),
        valid.lengths.tolist(),
        (train.offsets.tolist(), valid.offsets.tolist()),
        (test.lengths.tolist(), test.offsets.tolist()),
    )


@lru_cache(maxsize=8)
def _prompt_tokens(
    folder: str | None, prompts: tuple[str, ...], trust_remote_code: bool, seen: str
) -> int:
    """Tokens of the longest sample prompt; 0 without any, or where there is no tokenizer.

    ``seen`` tells a tokenizer from the one that was in its place.
    """
    if folder is None or not prompts:
        return 0
    from mlx_lm.utils import load_tokenizer

    from cockpit.trainer.sampling import encode

    tokenizer = load_tokenizer(Path(folder), {"trust_remote_code": trust_remote_code})
    return max(len(encode(tokenizer, prompt)) for prompt in prompts)


if __name__ == "__main__":
    main()
