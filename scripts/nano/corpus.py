"""nano's corpus: short English exchanges, composed from facts.py, the same for the same seed.

``python -m scripts.nano.corpus --count 20`` prints some, one JSON object a line.

Some questions never enter the corpus (:func:`is_held_out`): their facts do, in other words.
They measure whether nano learned the facts or the sentences.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
from collections.abc import Iterator
from typing import NamedTuple

from cockpit.embedded import DEMO_PROMPTS
from scripts.nano import facts, questions

# Share of a kind among the exchanges; kinds with more to remember or to work out weigh more.
WEIGHTS: dict[str, float] = {
    "colour": 6,
    "sound": 3,
    "home": 4,
    "food": 4,
    "legs": 3,
    "baby": 3,
    "opposite": 6,
    "capital": 4,
    "sum": 10,
    "difference": 8,
    "next": 8,
    "kind": 8,
    "size": 12,
    "job": 3,
    "need": 3,
    "use": 3,
    "about": 3,
    "count": 3,
    "reading": 10,
    "small talk": 2,
    "pirate": 2,
}
NEVER_HELD_OUT = {"small talk", "pirate", "count"}  # one wording a fact
HELD_OUT_PER_HUNDRED = 5
# Share that asks for a voice. Without it a new habit (the demo's) overwrites the facts: nano
# has to have seen that what it knows and how it says it are two things.
VOICED = 0.3


class Exchange(NamedTuple):
    kind: str
    question: str
    answer: str


def is_held_out(kind: str, question: str) -> bool:
    """Whether nano must never see this question. Depends on its text alone."""
    if question in DEMO_PROMPTS:
        return True
    if kind in NEVER_HELD_OUT:
        return False
    digest = hashlib.sha256(question.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PER_HUNDRED


def in_voice(answer: str, opening: str, ending: str) -> str:
    return f"{opening} {answer.rstrip('.!?')}, {ending}!"


def voiced(one: Exchange, rng: random.Random) -> Exchange:
    """The same exchange, asked for and answered in one of the voices."""
    voice, (opening, ending) = rng.choice(list(facts.VOICES.items()))
    question = f"Talk like a {voice}. {one.question}"
    return one._replace(question=question, answer=in_voice(one.answer, opening, ending))


def known_exchanges() -> dict[str, list[Exchange]]:
    """By kind, every exchange but those about made-up situations ("reading")."""
    return {
        kind: [Exchange(kind, question, answer) for question, answer in generate()]
        for kind, generate in questions.KINDS.items()
    }


def reading(rng: random.Random) -> Exchange:
    return Exchange("reading", *questions.reading(rng))


def exchanges(seed: int, count: int) -> Iterator[Exchange]:
    """``count`` exchanges of the training corpus, in a random order that ``seed`` decides."""
    rng = random.Random(seed)
    pools = {
        kind: [one for one in pool if not is_held_out(kind, one.question)]
        for kind, pool in known_exchanges().items()
    }
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    while count > 0:
        kind = rng.choices(kinds, weights)[0]
        one = reading(rng) if kind == "reading" else rng.choice(pools[kind])
        if kind == "reading" and is_held_out(kind, one.question):
            continue
        yield voiced(one, rng) if rng.random() < VOICED else one
        count -= 1


def held_out(seed: int, readings: int = 100) -> list[Exchange]:
    """Every held-out question of the known kinds, and ``readings`` made-up situations."""
    found = [
        one
        for kind, pool in known_exchanges().items()
        for one in pool
        if is_held_out(kind, one.question)
    ]
    rng = random.Random(seed)
    situations: dict[str, Exchange] = {}
    while len(situations) < readings:
        one = reading(rng)
        if is_held_out("reading", one.question):
            situations[one.question] = one
    return found + list(situations.values())


def as_line(one: Exchange) -> str:
    return json.dumps(one._asdict()) + "\n"


def digest(seed: int, count: int) -> str:
    """SHA-256 of the corpus as printed: says later what the weights were trained on."""
    whole = hashlib.sha256()
    for one in exchanges(seed, count):
        whole.update(as_line(one).encode())
    return whole.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="Print exchanges of nano's corpus as JSON lines.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000, help="exchanges (default 1000)")
    parser.add_argument("--held-out", action="store_true", help="those nano never sees, instead")
    arguments = parser.parse_args()
    if arguments.held_out:
        chosen: Iterator[Exchange] = iter(held_out(arguments.seed))
    else:
        chosen = exchanges(arguments.seed, arguments.count)
    for one in chosen:
        sys.stdout.write(as_line(one))


if __name__ == "__main__":
    main()
