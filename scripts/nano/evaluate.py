"""How often nano is right, word by word, on questions that its corpus never asked.

``python -m scripts.nano.evaluate`` answers every held-out question greedily through mlx-lm
and prints the share of exact answers by kind.
"""

from __future__ import annotations

import argparse
import ctypes
import random
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

with suppress(OSError):
    ctypes.CDLL("libopenblas.so.0", mode=ctypes.RTLD_GLOBAL)

from mlx_lm import generate, load

from cockpit.embedded import nano_path
from scripts.nano import corpus

LONGEST_ANSWER_TOKENS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure nano on questions it never met.")
    parser.add_argument("--model", type=Path, default=nano_path())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show-wrong", action="store_true", help="print each wrong answer")
    arguments = parser.parse_args()
    model, words = load(str(arguments.model))[:2]
    rng = random.Random(arguments.seed)
    plain = corpus.held_out(arguments.seed)
    spoken = [corpus.voiced(one, rng)._replace(kind="in a voice") for one in plain]
    right: dict[str, list[bool]] = defaultdict(list)
    for one in plain + spoken:
        turns = [{"role": "user", "content": one.question}]
        prompt = words.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        answer = generate(model, words, prompt, max_tokens=LONGEST_ANSWER_TOKENS)
        right[one.kind].append(answer == one.answer)
        if arguments.show_wrong and answer != one.answer:
            print(f"{one.question!r}: {answer!r}, not {one.answer!r}")
    for kind, results in right.items():
        print(
            f"{kind:<12} {sum(results):>4} of {len(results):>4}  {sum(results) / len(results):.0%}"
        )
    total = [result for results in right.values() for result in results]
    print(f"{'all':<12} {sum(total):>4} of {len(total):>4}  {sum(total) / len(total):.1%}")


if __name__ == "__main__":
    main()
