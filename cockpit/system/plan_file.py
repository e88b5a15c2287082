"""Plans on disk: our TOML, and the YAML that mlx_lm.lora reads."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from cockpit.core.plan import RunPlan
from cockpit.errors import CockpitError
from cockpit.system import whole_file

# Keys of mlx_lm.lora that say what its command does, not how to train.
MLX_LM_COMMAND_KEYS = frozenset({"train", "config"})

_YAML_FLOAT = re.compile(
    r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)
    |\.[0-9_]+(?:[eE][-+][0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
    re.X,
)


def write(plan: RunPlan, path: Path) -> None:
    """Writes ``plan`` as TOML, beside and renamed, so a reader never sees half of it."""
    whole_file.write(path, tomli_w.dumps(plan.model_dump(exclude_none=True)))


def read(path: Path) -> RunPlan:
    """The plan in a TOML file, or a CockpitError that names the file and the field."""
    return validate(read_fields(path), str(path))


def read_fields(path: Path) -> dict[str, Any]:
    """The fields a TOML plan or an mlx-lm YAML sets, unvalidated."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise CockpitError(
            "The plan could not be read", f"{path}: {reason}", "Check the path."
        ) from error
    if path.suffix in (".yaml", ".yml"):
        return _from_yaml(text, path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CockpitError(
            "The plan is not valid TOML", f"{path}: {error}", "Correct that line."
        ) from error


def validate(fields: dict[str, Any], source: str) -> RunPlan:
    """A RunPlan from ``fields``, or a CockpitError naming ``source``, each field and a remedy."""
    try:
        return RunPlan.model_validate(fields)
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors()]
        raise CockpitError(
            "The plan is not valid",
            "\n".join(f"{source}: {problem}" for problem in problems),
            "Correct the fields named above; `cockpit train --help` lists them all.",
        ) from error


def merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    """Puts the fields of ``other`` over those of ``into``, inside nested tables too."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def _explain(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "plan"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where!r}{_suggestion(problem['loc'])}"
    if problem["type"] == "missing":
        return f"{where} is missing"
    said = problem["msg"].removeprefix("Value error, ")
    value = problem.get("input")
    shown = f" (got {value!r})" if isinstance(value, str | int | float | bool) else ""
    return f"{where}: {said}{shown}" if problem["loc"] else said


def _suggestion(loc: tuple[int | str, ...]) -> str:
    if loc == ("lora_parameters", "alpha"):
        return ": mlx-lm uses 'scale', which is alpha / rank"
    known = ["rank", "scale", "dropout", "keys"] if len(loc) > 1 else list(RunPlan.model_fields)
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def _from_yaml(text: str, path: Path) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML 1.1 reads 1e-5 as text; mlx-lm's configurations are full of it."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _YAML_FLOAT, list("-+0123456789."))
    try:
        document = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise CockpitError(
            "The configuration is not valid YAML", f"{path}: {error}", "Correct that line."
        ) from error
    if not isinstance(document, dict):
        raise CockpitError(
            "The configuration has no fields",
            f"{path}: expected 'key: value' lines as mlx_lm.lora reads them",
            "Start from mlx-lm's lora_config.yaml.",
        )
    fields = {str(key): value for key, value in document.items() if value is not None}
    return {key: value for key, value in fields.items() if key not in MLX_LM_COMMAND_KEYS}
