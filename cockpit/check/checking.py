"""Taking one model through every stage, as a tiny twin or with its real weights."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cockpit.check import training
from cockpit.check.client import Client, StageError
from cockpit.check.meaning import meaning
from cockpit.check.shrink import fingerprint
from cockpit.check.stages import (
    NEEDS,
    STAGES,
    UNPACKED,
    Outcome,
    Report,
    Stage,
    Weights,
    packing_of,
)
from cockpit.core.format import gigabytes
from cockpit.results import kept
from cockpit.system.home import home
from cockpit.system.run_dir import RunDir
from cockpit.system.sensors import read_memory
from cockpit.system.software import installed_version

Say = Callable[[str], None]

_TWIN_SECONDS, _REAL_SECONDS = 300.0, 3600.0
_TWIN_PLAN: dict[str, Any] = {
    "num_layers": -1,
    "batch_size": 2,
    "max_seq_length": 48,
    "learning_rate": 3e-4,
}
_REAL_PLAN: dict[str, Any] = {
    "num_layers": 4,
    "batch_size": 1,
    "max_seq_length": 48,
    "grad_checkpoint": True,
    "learning_rate": 1e-4,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is checked. ``folder`` holds the real weights, where those are to be used."""

    name: str
    config: Mapping[str, Any]
    packing: str
    folder: Path | None = None

    @property
    def weights(self) -> Weights:
        return "real" if self.folder else "twin"

    @property
    def family(self) -> str:
        return str(self.config.get("model_type"))


def check(candidate: Candidate, client: Client, say: Say = lambda _: None) -> Report:
    """The report of every stage.

    A twin takes seconds and a few MB of disk; real weights take as much as their fused copies,
    in the home.
    """
    # Copies of a real model may not fit where temporary files are kept: that can be memory.
    place = home() if candidate.folder else None
    with tempfile.TemporaryDirectory(prefix=".check-", dir=place) as scratch:
        walk = _Walk(candidate, client, Path(scratch), say)
        stages = tuple(walk.take(stage) for stage in STAGES)
    return Report(
        model=candidate.name,
        model_type=candidate.family,
        packing=candidate.packing,
        weights=candidate.weights,
        fingerprint=fingerprint(candidate.config, candidate.packing),
        mlx=installed_version("mlx") or "n/a",
        mlx_lm=installed_version("mlx-lm") or "n/a",
        device=f"{sys.platform} {platform.machine()}",
        checked=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        experts_trained=walk.experts_trained,
        stages=stages,
    )


class NotForThisFamily(Exception):
    """The stage does not exist for this model; the text says why."""


class NotHere(Exception):
    """The stage would need more than this machine has; the text says what."""


@dataclass(slots=True)
class _Walk:
    candidate: Candidate
    client: Client
    scratch: Path
    say: Say
    passed: set[Stage] = field(default_factory=set)
    losses: list[float] = field(default_factory=list)
    parameters: int = 0
    experts_trained: int | None = None

    def take(self, stage: Stage) -> Outcome:
        if (needed := NEEDS.get(stage)) and needed not in self.passed:
            return Outcome(stage=stage, status="not reached", detail=f"it needs: {needed}")
        self.say(f"{self.candidate.name}, {self.candidate.packing}: {stage} ...")
        started = time.monotonic()
        steps: dict[Stage, Callable[[], str]] = {
            "load": self._load,
            "train": self._train,
            "resume": self._resume,
            "fuse": self._fuse,
            "reload": self._reload,
            "generate": self._generate,
            "dequantize": self._dequantize,
            "export": self._export,
        }
        try:
            detail = steps[stage]()
        except NotForThisFamily as reason:
            return Outcome(stage=stage, status="not for this family", detail=str(reason))
        except NotHere as reason:
            return Outcome(stage=stage, status="not reached", detail=str(reason))
        except StageError as error:
            text = str(error)
            return Outcome(stage=stage, status="failed", error=text, meaning=meaning(stage, text))
        self.passed.add(stage)
        seconds = round(time.monotonic() - started, 1)
        return Outcome(stage=stage, status="passed", detail=detail, seconds=seconds)

    @property
    def _model(self) -> Path:
        return self.candidate.folder or self.scratch / "twin"

    @property
    def _run(self) -> Path:
        return self.scratch / "run"

    def _ask(self, do: str, **asked: Any) -> dict[str, Any]:
        return self.client.ask(do, self._seconds, **asked)

    @property
    def _seconds(self) -> float:
        return _REAL_SECONDS if self.candidate.folder else _TWIN_SECONDS

    def _load(self) -> str:
        if self.candidate.folder is None:
            config = dict(self.candidate.config)
            asked = {"config": config, "packing": self.candidate.packing}
            self._ask("twin", folder=str(self._model), **asked)
        found = self._ask("load", folder=str(self._model))
        self.parameters = found["parameters"]
        return f"{self.parameters:,} parameters"

    def _train(self) -> str:
        data = self.scratch / "data"
        training.write_data(data)
        plan = _REAL_PLAN if self.candidate.folder else _TWIN_PLAN
        run = training.make_run(self._run, self._model, data, plan)
        self.losses = training.train(run, self._seconds)
        found = self._ask("adapters", folder=str(run.adapters))
        if found["changed"] < found["adapters"]:
            asleep = found["adapters"] - found["changed"]
            raise StageError(f"{asleep} of {found['adapters']} adapters did not change")
        words = f"loss {self.losses[0]:.2f} -> {self.losses[-1]:.2f}, {found['changed']} adapters"
        if found["experts"]:
            self.experts_trained = found["experts_changed"]
            words += f", {found['experts_changed']} of them on experts"
        if keys := run.plan().lora_parameters.keys:
            words += f"; keys: {', '.join(keys)}"
        return words

    def _resume(self) -> str:
        run = RunDir(self._run)
        found = training.go_on(run, self.losses, self._seconds)
        after = f"from update {training.RESUMED_AFTER}"
        if not found.difference:
            return f"{after}: the same losses to the bit"
        return f"{after}: losses within {found.difference:.1e}"

    def _fuse(self) -> str:
        return f"{self._fused_into('fused', dequantize=False)} layers"

    def _fused_into(self, name: str, *, dequantize: bool) -> int:
        adapter = self._run / "adapters"
        into = self.scratch / name
        found = self._ask("fuse", adapter=adapter, into=into, dequantize=dequantize)
        return int(found["layers"])

    def _reload(self) -> str:
        found = self._ask("reload", folder=self.scratch / "fused")
        return kept.in_words(found["kept"], packed=found["packed"])

    def _generate(self) -> str:
        found = self._ask("generate", folder=self.scratch / "fused")
        words = f"{found['tokens']} new tokens, {found['end']}"
        return f"{words}; in float32, for on this CPU: {found['note']}" if found["note"] else words

    def _dequantize(self) -> str:
        if self.candidate.packing == UNPACKED:
            raise NotForThisFamily("nothing is packed")
        needed, available = 2 * self.parameters, read_memory().ram_available_bytes
        if self.candidate.folder and available is not None and needed > available:
            raise NotHere(f"unpacked it takes {gigabytes(needed)}, {gigabytes(available)} are free")
        self._fused_into("unpacked", dequantize=True)
        found = self._ask("reload", folder=self.scratch / "unpacked")
        if found["packed"]:
            raise StageError("some weights are still packed")
        return kept.in_words(found["kept"], packed=False)

    def _export(self) -> str:
        packed = self.candidate.packing != UNPACKED
        if packed and "dequantize" not in self.passed:
            raise NotHere("it needs: dequantize")
        found = self._ask("export", folder=self.scratch / ("unpacked" if packed else "fused"))
        if "refused" in found:
            raise NotForThisFamily(found["refused"])
        words = f"GGUF, {found['tensors']} tensors, read back by {', '.join(found['checked_by'])}"
        return f"{words}; mlx-lm's own writer {found['mlx_lm']}" if found["mlx_lm"] else words


def own_candidates(
    name: str, config: Mapping[str, Any], packings: tuple[str, ...]
) -> list[Candidate]:
    """Twins of a model: in its own packing, unpacked, and in 4 bits, unless some are named."""
    wanted = packings or tuple(dict.fromkeys((packing_of(config), UNPACKED, "4-bit")))
    return [Candidate(name, config, packing) for packing in wanted]
