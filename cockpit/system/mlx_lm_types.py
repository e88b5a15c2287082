"""The model types that the installed mlx-lm knows, found without importing it."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_DEFINES_MODEL = re.compile(r"^(?:class Model\b|from \.\w+ import (?:.*, )?Model\b(?! as))", re.M)


def is_known(config: Mapping[str, Any]) -> bool | None:
    """Whether mlx-lm has the architecture of a config.json; None if mlx-lm is not there."""
    folder = _models_folder()
    if folder is None:
        return None
    return _defines_model(folder / f"{module_of(config)}.py")


def module_of(config: Mapping[str, Any]) -> str:
    """The module of ``mlx_lm.models`` that builds this model, as `_get_classes` finds it."""
    model_type = str(config.get("model_type"))
    architectures = config.get("architectures") or ()
    if isinstance(architectures, str):
        architectures = (architectures,)
    by_type, by_architecture = _remappings()
    for architecture in architectures:
        if remapped := by_architecture.get((model_type, architecture)):
            return remapped
    return by_type.get(model_type, model_type)


def nearest(model_type: str) -> str | None:
    """A known type that is spelt nearly like ``model_type``."""
    folder = _models_folder()
    names = [path.stem for path in folder.glob("*.py")] if folder else []
    close = difflib.get_close_matches(model_type, names, n=3)
    return next((name for name in close if folder and _defines_model(folder / f"{name}.py")), None)


@cache
def _package_folder() -> Path | None:
    try:
        spec = importlib.util.find_spec("mlx_lm")
    except (ImportError, ValueError):
        return None
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]) if locations else None


def _models_folder() -> Path | None:
    package = _package_folder()
    return package / "models" if package else None


@cache
def _defines_model(path: Path) -> bool:
    """Helpers such as cache.py lie in the same folder and are no architecture."""
    try:
        return bool(_DEFINES_MODEL.search(path.read_text(encoding="utf-8")))
    except OSError:
        return False


@cache
def _remappings() -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """mlx-lm's MODEL_REMAPPING and MODEL_ARCHITECTURE_REMAPPING, read from its source."""
    package = _package_folder()
    try:
        source = (package / "utils.py").read_text(encoding="utf-8") if package else ""
    except OSError:
        source = ""
    return _literal(source, "MODEL_REMAPPING"), _literal(source, "MODEL_ARCHITECTURE_REMAPPING")


def _literal(source: str, name: str) -> dict[Any, str]:
    found = re.search(rf"^{name}[^=\n]*= (\{{.*?^\}})", source, re.M | re.S)
    try:
        value = ast.literal_eval(found[1]) if found else {}
    except (ValueError, SyntaxError):
        return {}
    return value if isinstance(value, dict) else {}
