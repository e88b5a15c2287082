"""What the source documents claim, each held against the reports of the check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cockpit.catalogue import CatalogueModel
from cockpit.check.shrink import has_experts
from cockpit.check.stages import UNPACKED, Report, Stage
from cockpit.core.model_spec import text_config

Row = tuple[CatalogueModel, Report]
# Whether it is so for a model, by its report; None where that says nothing of it.
Said = Callable[[CatalogueModel, Report], bool | None]


@dataclass(frozen=True)
class Claim:
    """``short`` is what a row of the table says where the claim does not hold."""

    document: str
    says: str
    short: str
    about: Callable[[CatalogueModel, Report], bool]
    holds: Said

    def contradicted_by(self, model: CatalogueModel, report: Report) -> bool | None:
        if not self.about(model, report):
            return None
        found = self.holds(model, report)
        return None if found is None else not found


def _works(*stages: Stage) -> Said:
    def works(_: CatalogueModel, report: Report) -> bool | None:
        found = {report.of(stage).status for stage in stages}
        if "failed" in found:
            return False
        return True if found == {"passed"} else None

    return works


def _fails(*stages: Stage) -> Said:
    def fails(model: CatalogueModel, report: Report) -> bool | None:
        works = _works(*stages)(model, report)
        return None if works is None else not works

    return fails


def _experts_fail(model: CatalogueModel, report: Report) -> bool | None:
    return _fails("load", "train", "resume")(model, report) or not report.experts_trained


def _config_has(field: str) -> Said:
    return lambda model, _: field in text_config(model.config())


def _family(*families: str) -> Callable[[CatalogueModel, Report], bool]:
    return lambda model, _: model.family in families


def _experts(model: CatalogueModel, _: Report) -> bool:
    return has_experts(model.config())


def _packed(_: CatalogueModel, report: Report) -> bool:
    return report.packing != UNPACKED


def _hub(*words: str) -> Callable[[CatalogueModel, Report], bool]:
    return lambda model, _: any(word in model.slug for word in words)


_UNTOLD = "no GGUF is written for this family here; llama.cpp's own converter was not tried"

# Of memory a twin says nothing, so claims about what fits are not here.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "model compatibility quick reference",
        "MLX doesn't support Mixture of Experts (MoE)",
        "experts train",
        _experts,
        _experts_fail,
    ),
    Claim(
        "maximum training configuration, M2 8 GB; model compatibility guide",
        "Quantization works for inference, not training yet; cannot use quantization during "
        "training",
        "packed weights train",
        _packed,
        _fails("load", "train", "resume"),
    ),
    Claim(
        "model compatibility quick reference",
        "Granite 4.0: unsupported by MLX",
        "Granite trains",
        _hub("granite-4.0"),
        _fails("load", "train", "fuse", "reload", "generate"),
    ),
    Claim(
        "model compatibility quick reference",
        "Granite 4.0 uses a mixture of experts",
        "has no experts",
        _hub("granite-4.0"),
        lambda model, _: has_experts(model.config()),
    ),
    Claim(
        "model compatibility quick reference",
        "Gemma 3N E4B: FP16 minimum, cannot be trained quantized",
        "packed weights train",
        lambda m, r: m.family == "gemma3n" and _packed(m, r),
        _fails("train"),
    ),
    Claim(
        "small MoE models on 16 GB",
        "Qwen1.5-MoE-A2.7B: MLX support planned or limited",
        "supported in full",
        _hub("qwen1.5-moe"),
        _fails("load", "train", "fuse", "reload", "generate"),
    ),
    Claim(
        "model compatibility guide",
        "Qwen 2.5: GGUF conversion succeeds",
        "fails",
        _hub("qwen2.5"),
        _works("export"),
    ),
    Claim(
        "model compatibility guide",
        "Llama 3.2 3B: training, fusion and GGUF conversion succeed",
        "fails",
        _hub("llama-3.2-3b"),
        _works("train", "fuse", "export"),
    ),
    Claim(
        "model compatibility guide",
        "Mistral 7B: training and all conversions work",
        "fails",
        _hub("mistral-7b"),
        _works("train", "fuse", "export"),
    ),
    Claim(
        "model compatibility guide",
        "Granite has multi-head latent attention, whose weights break the conversion to GGUF",
        "has no latent attention",
        _family("granite", "granitemoehybrid"),
        _config_has("kv_lora_rank"),
    ),
    Claim(
        "model compatibility guide",
        "Granite: GGUF conversion fails",
        "converts",
        _family("granite", "granitemoehybrid"),
        _fails("export"),
    ),
)


def against(model: CatalogueModel, report: Report) -> str:
    """What a row contradicts, in a few words."""
    found = (claim for claim in CLAIMS if claim.contradicted_by(model, report))
    return ", ".join(dict.fromkeys(claim.short for claim in found))


def judged(rows: Iterable[Row]) -> list[tuple[Claim, str, str]]:
    """Each claim with its verdict and how many reports it rests on."""
    rows, found = list(rows), []
    for claim in CLAIMS:
        votes = [v for m, r in rows if (v := claim.contradicted_by(m, r)) is not None]
        word = "confirmed" if votes else "not told"
        if votes and all(votes):
            word = "contradicted"
        elif any(votes):
            word = "contradicted in part"
        found.append(
            (claim, word, f"{sum(votes)} of {len(votes)} checks against it" if votes else _UNTOLD)
        )
    return found
