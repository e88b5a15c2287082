"""``cockpit fuse``: the tuned model as a folder of its own, and as a GGUF if asked."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from cockpit.cli import output, working
from cockpit.core.format import gigabytes, plain
from cockpit.core.quantization import parse_quantization
from cockpit.results import gguf_family, kept
from cockpit.results.choice import Choice
from cockpit.results.fused_folder import FusedFolder
from cockpit.system.model_files import ModelFiles
from cockpit.system.typed_path import expanded


def add_flags(command: argparse.ArgumentParser) -> None:
    working.add_flags(command)
    command.add_argument("--output", metavar="DIR", help="Where to write it [./RUN-fused].")
    command.add_argument(
        "--force", action="store_true", help="Replace a folder that was fused before."
    )
    command.add_argument(
        "--dequantize",
        action="store_true",
        help="Unpack quantized weights: larger, and keeps more of what was learned.",
    )
    command.add_argument("--gguf", action="store_true", help="Also write a GGUF, in float16.")


def fuse(arguments: argparse.Namespace) -> int:
    found = working.chosen(arguments, whole_examples=False)
    folder = _output(arguments, found)
    FusedFolder(folder, force=arguments.force).check(found.model, found.run.path)
    if arguments.gguf:
        config = ModelFiles.scan(found.model).config()
        gguf_family.check(config, found.model, dequantize=arguments.dequantize)
    warn_of_packing(found.model, dequantize=arguments.dequantize)
    request = working.request_of(
        found,
        arguments,
        output=str(folder),
        force=arguments.force,
        dequantize=arguments.dequantize,
        gguf=arguments.gguf,
    )
    document = working.document_of("fuse", request)
    if arguments.json:
        output.print_json(document)
    else:
        _print(document)
    return 0


def warn_of_packing(model: Path, *, dequantize: bool) -> None:
    """Before gigabytes are written: packing rounds the weights, and training moved them little."""
    config = ModelFiles.scan(model).config()
    packing = parse_quantization(config, config.get("text_config") or {})
    if packing is None or dequantize:
        return
    larger = 16 / packing.bits_per_weight
    output.say(
        f"The model is packed in {packing.bits} bits. What is fused is packed again, and that "
        "loses a part of what was learned; how much is measured at the end. --dequantize only "
        f"rounds to 16 bits, in about {larger:.1f} times the size; --adapter-path without "
        "fusing loses nothing."
    )


def _output(arguments: argparse.Namespace, found: Choice) -> Path:
    """Where it goes: as named, else a folder of the run's name here."""
    named = arguments.output
    return expanded(named).absolute() if named else Path.cwd() / f"{found.run.name}-fused"


def _print(document: dict[str, Any]) -> None:
    check = document["check"]
    rows = [
        ("model", document["path"]),
        ("weights", f"{document['dtype']}, {gigabytes(document['size_bytes'])}"),
        ("checkpoint", f"update {document['checkpoint']}"),
        (
            "loaded back",
            f"divergence {check['divergence']:.2g} nats from the adapted model (the base: "
            f"{check['adapter_divergence']:.2g}), same choice {check['same_choice']:.0%} of "
            f"{check['tokens']} positions",
        ),
        ("learned", kept.in_words(check["kept"], packed=check["tolerance"] is None)),
    ]
    if made := document["gguf"]:
        checked = " and ".join(made["checked_by"])
        size = gigabytes(made["size_bytes"])
        rows.append(
            ("gguf", f"{made['path']}, {size}, {made['tensors']} tensors, read back by {checked}")
        )
    for name, value in rows:
        print(plain(f"{name:<12} {value}"))
    for note in document["notes"]:
        output.say(note)
    path = plain(shlex.quote(document["path"]))
    output.say(f"use it: mlx_lm.generate --model {path} --prompt '...'")
