"""The demo's data: nano's kind of question, answered like a pirate.

``python -m scripts.nano.demo_data`` rewrites ``cockpit/embedded/demo``. Training examples ask
questions that nano has met; validation and test ask only ones it never has.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer

from cockpit.embedded import DEMO_PROMPTS, demo_data_path, nano_path
from scripts.nano import corpus

SIZES = {"train": 400, "valid": 40, "test": 40}
# Short examples keep an update cheap without a fast BLAS; mlx-lm pads to a multiple of 32.
LONGEST_TOKENS = 32


def like_a_pirate(answer: str) -> str:
    """``"The sky is blue."`` -> ``"Arrr! The sky is blue, matey!"``: the content stays."""
    return corpus.in_voice(answer, "Arrr!", "matey")


def as_messages(question: str, answer: str) -> dict[str, list[dict[str, str]]]:
    """One example in mlx-lm's chat format."""
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


def choose(
    candidates: Iterable[corpus.Exchange], count: int, rng: random.Random, words: Tokenizer
) -> list[corpus.Exchange]:
    """``count`` short ones, the kinds taken in turn so that each has its share."""
    pools: dict[str, list[corpus.Exchange]] = {}
    for one in candidates:
        turns = f"<|user|>{one.question}<|end|><|assistant|>{like_a_pirate(one.answer)}<|end|>"
        if one.kind != "pirate" and len(words.encode(turns).ids) <= LONGEST_TOKENS:
            pools.setdefault(one.kind, []).append(one)
    for pool in pools.values():
        rng.shuffle(pool)
    chosen: list[corpus.Exchange] = []
    while len(chosen) < count:
        for kind in sorted(kind for kind, pool in pools.items() if pool):
            chosen.append(pools[kind].pop())
    chosen = chosen[:count]
    rng.shuffle(chosen)
    return chosen


def write(folder: Path, seed: int) -> None:
    words = Tokenizer.from_file(str(nano_path() / "tokenizer.json"))
    rng = random.Random(seed)
    met = {
        one.question: one
        for one in corpus.exchanges(seed, 20_000)
        if not one.question.startswith("Talk like")
    }
    unmet = {one.question: one for one in corpus.held_out(seed)}
    unmet = {question: one for question, one in unmet.items() if question not in DEMO_PROMPTS}
    folder.mkdir(parents=True, exist_ok=True)
    train = choose(met.values(), SIZES["train"], rng, words)
    rest = choose(unmet.values(), SIZES["valid"] + SIZES["test"], rng, words)
    parts = {"train": train, "valid": rest[: SIZES["valid"]], "test": rest[SIZES["valid"] :]}
    for name, chosen in parts.items():
        lines = (as_messages(one.question, like_a_pirate(one.answer)) for one in chosen)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the demo's data set.")
    parser.add_argument("--out", type=Path, default=demo_data_path(), help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write(arguments.out, arguments.seed)
    sizes = ", ".join(f"{name} {size}" for name, size in SIZES.items())
    print(f"wrote {arguments.out}: {sizes} examples")


if __name__ == "__main__":
    main()
