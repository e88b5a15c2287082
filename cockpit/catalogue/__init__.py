"""Models people fine-tune, each with its published config.json, so that they are priced offline.

The rows are in ``models.toml``, the configs in ``configs/``. Facts only: whether a model fits a
machine is the forecast's to say.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from cockpit.errors import CockpitError

Bits = Literal[2, 3, 4, 5, 6, 8, 16]

# The packing of mlx-lm's convert, which made the conversions that people download.
GROUP_SIZE = 64

Row = TypeVar("Row")

_SUFFIX = re.compile(r"-(?:(?P<bits>[234568])-?bit|bf16|fp16)(?:-mlx)?$")
_CONVERTERS = "mlx-community/"


class CatalogueModel(BaseModel):
    """One model: where it lives, its size, and where each fact comes from.

    ``parameters`` is the published count of the language model alone, as mlx-lm loads it.
    ``bits`` is the packing that the name asked for implies; None is the config as published.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    name: str = Field(min_length=1)
    family: str = Field(min_length=1, description="config.json's model_type.")
    hub: str = Field(
        description="The hub repository whose config this is.", pattern=r"^[^/]+/[^/]+$"
    )
    same_shape: tuple[str, ...] = Field((), description="Hub repositories of the same shape.")
    mlx: str | None = Field(None, description="The mlx-community conversion to train on.")
    parameters: PositiveInt
    parameters_source: str = Field(min_length=1)
    config_file: str = Field(alias="config", pattern=r"^[a-z0-9.-]+\.json$")
    config_source: str = Field(min_length=1)
    config_kind: Literal["copy", "assembled"] = Field(
        description="A copy of the published file, or its fields gathered from several places."
    )
    named_by: tuple[str, ...] = Field(min_length=1, description="Documents, or 'favourite'.")
    pricing_bits: tuple[Bits, ...] = Field(
        (4, 16), description="Packings to price; none means as published only."
    )
    lora_keys: tuple[str, ...] | None = Field(
        None, description="Keys to train where mlx-lm's default ones fail."
    )
    notes: str = ""
    bits: Bits | None = Field(None, exclude=True)

    def config(self) -> dict[str, Any]:
        """config.json's content: as published, or as mlx-lm's convert writes it for ``bits``."""
        text = files(__name__).joinpath("configs", self.config_file).read_text(encoding="utf-8")
        content: dict[str, Any] = json.loads(text)
        if self.bits is None:
            return content
        for key in ("quantization", "quantization_config"):
            content.pop(key, None)
            if self.bits != 16:
                content[key] = {"group_size": GROUP_SIZE, "bits": self.bits, "mode": "affine"}
        return content

    def at(self, bits: Bits) -> CatalogueModel:
        """The same model with its weights packed to ``bits``; 16 is not packed."""
        return self.model_copy(update={"bits": bits})


@lru_cache(maxsize=1)
def models() -> tuple[CatalogueModel, ...]:
    """Every model, those of the source documents first. CockpitError if the data is damaged."""
    return read_table(
        "models.toml", "model catalogue", lambda n, row: CatalogueModel(slug=n, **row)
    )


def read_table(file: str, called: str, row: Callable[[str, Any], Row]) -> tuple[Row, ...]:
    """Each table of a TOML file of this package, in its order, as ``row`` of name and fields.

    CockpitError if the file is damaged, which it calls ``called``.
    """
    try:
        text = files(__name__).joinpath(file).read_text(encoding="utf-8")
        return tuple(row(name, fields) for name, fields in tomllib.loads(text).items())
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise CockpitError(
            f"The {called} cannot be read",
            f"{file}: {error}",
            "Install mlx-cockpit again.",
            exit_code=1,
        ) from error


def find(name: str) -> CatalogueModel | None:
    """The model of a slug, a name or a hub repository; None if the catalogue has none.

    A conversion's suffix (``-4bit``, ``-8bit``, ``-bf16``) is understood and sets ``bits``. Another
    owner's repository is found only if it is listed: the same name may be another model.
    """
    wanted = _normal(name)
    index = _index()
    if wanted in index:
        return index[wanted]
    bare = wanted.removeprefix(_CONVERTERS)
    suffix = _SUFFIX.search(bare)
    found = index.get(bare[: suffix.start()] if suffix else bare)
    if found is None or suffix is None:
        return found
    return found.at(_bits(suffix))


@lru_cache(maxsize=1)
def _index() -> dict[str, CatalogueModel]:
    index: dict[str, CatalogueModel] = {}
    for model in models():
        for name in (model.slug, model.name, model.hub, *model.same_shape):
            index[_normal(name)] = model
            index.setdefault(_normal(name.rpartition("/")[2]), model)
        if model.mlx is not None:
            converted = _normal(model.mlx)
            suffix = _SUFFIX.search(converted)
            index[converted] = model.at(_bits(suffix)) if suffix else model
            index[converted.removeprefix(_CONVERTERS)] = index[converted]
    return index


def _normal(name: str) -> str:
    return re.sub(r"[\s_]+", "-", name.strip().casefold())


def _bits(suffix: re.Match[str]) -> Bits:
    packings: dict[str | None, Bits] = {"2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "8": 8, None: 16}
    return packings[suffix["bits"]]
