"""Facts as questions and answers: several wordings of a question, one wording of its answer.

One answer a question, so that "right" can be checked word by word.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from scripts.nano import facts

Pair = tuple[str, str]

LARGEST_SUM = 18
LARGEST_TERM = 9


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _ask(wordings: Sequence[str], answer: str, **words: object) -> Iterator[Pair]:
    for wording in wordings:
        yield _sentence(wording.format(**words)), _sentence(answer.format(**words))


def colours() -> Iterator[Pair]:
    wordings = (
        "What colour is {x}?",
        "Which colour is {x}?",
        "What is the colour of {x}?",
        "Tell me the colour of {x}.",
    )
    for thing, colour in facts.COLOUR_OF.items():
        yield from _ask(wordings, "{x} is {y}.", x=thing, y=colour)


def sounds() -> Iterator[Pair]:
    wordings = (
        "What does {x} say?",
        "What sound does {x} make?",
        "Which sound does {x} make?",
        "Tell me what {x} says.",
    )
    for animal, sound in facts.SOUND_OF.items():
        yield from _ask(wordings, "{x} says {y}.", x=_a(animal), y=sound)


def homes() -> Iterator[Pair]:
    wordings = (
        "Where does {x} live?",
        "Where can I find {x}?",
        "Where is the home of {x}?",
        "Tell me where {x} lives.",
    )
    for animal, home in facts.HOME_OF.items():
        yield from _ask(wordings, "{x} lives {y}.", x=_a(animal), y=home)


def food() -> Iterator[Pair]:
    wordings = (
        "What does {x} eat?",
        "What does {x} like to eat?",
        "Which food does {x} like?",
        "Tell me what {x} eats.",
    )
    for animal, eaten in facts.FOOD_OF.items():
        yield from _ask(wordings, "{x} eats {y}.", x=_a(animal), y=eaten)


def legs() -> Iterator[Pair]:
    wordings = (
        "How many legs does {x} have?",
        "How many legs has {x}?",
        "Count the legs of {x}.",
        "Tell me how many legs {x} has.",
    )
    for animal, number in facts.LEGS_OF.items():
        yield from _ask(wordings, "{x} has {y} legs.", x=_a(animal), y=number)


def babies() -> Iterator[Pair]:
    wordings = (
        "What is a baby {x} called?",
        "What is a young {x} called?",
        "What do we call a baby {x}?",
        "What is the name of a baby {x}?",
    )
    for animal, baby in facts.BABY_OF.items():
        yield from _ask(wordings, "A baby {x} is called {y}.", x=animal, y=_a(baby))


def opposites() -> Iterator[Pair]:
    wordings = (
        "What is the opposite of {x}?",
        "Which word is the opposite of {x}?",
        "Tell me the opposite of {x}.",
        "Say the opposite of {x}.",
    )
    for one, other in facts.OPPOSITES:
        yield from _ask(wordings, "The opposite of {x} is {y}.", x=one, y=other)
        yield from _ask(wordings, "The opposite of {x} is {y}.", x=other, y=one)


def capitals() -> Iterator[Pair]:
    wordings = (
        "What is the capital of {x}?",
        "Which city is the capital of {x}?",
        "Tell me the capital of {x}.",
        "Name the capital of {x}.",
    )
    for country, capital in facts.CAPITAL_OF.items():
        yield from _ask(wordings, "The capital of {x} is {y}.", x=country, y=capital)


def sums() -> Iterator[Pair]:
    wordings = ("What is {x} + {y}?", "What is {x} plus {y}?", "How much is {x} plus {y}?")
    for x in range(LARGEST_TERM + 1):
        for y in range(LARGEST_TERM + 1):
            yield from _ask(wordings, "{x} plus {y} is {z}.", x=x, y=y, z=x + y)


def differences() -> Iterator[Pair]:
    wordings = ("What is {x} - {y}?", "What is {x} minus {y}?", "How much is {x} minus {y}?")
    for x in range(LARGEST_TERM + 1):
        for y in range(x + 1):
            yield from _ask(wordings, "{x} minus {y} is {z}.", x=x, y=y, z=x - y)


def orders() -> Iterator[Pair]:
    wordings = (
        "What comes {side} {x}?",
        "Which {unit} comes {side} {x}?",
        "Name the {unit} {side} {x}.",
    )
    numbers = tuple(str(number) for number in range(LARGEST_SUM + 1))
    for unit, row, circular in (
        ("day", facts.DAYS, True),
        ("month", facts.MONTHS, True),
        ("number", numbers, False),
    ):
        steps = [*pairwise(row), *([(row[-1], row[0])] if circular else [])]
        for one, other in steps:
            for side, x, y in (("after", one, other), ("before", other, one)):
                yield from _ask(wordings, "{y} comes {side} {x}.", unit=unit, side=side, x=x, y=y)


def kinds() -> Iterator[Pair]:
    for kind, members in facts.MEMBERS.items():
        for member in members:
            words = {"x": _a(member), "k": _a(kind)}
            plain = ("What is {x}?", "Tell me what {x} is.", "Say what {x} is.")
            yield from _ask(plain, "{x} is {k}.", **words)
            for asked in facts.MEMBERS:
                if (kind, asked) == ("bird", "animal"):
                    continue  # a bird is one, and "A duck is a bird" would be a poor yes
                wordings = ("Is {x} {q}?", "Tell me, is {x} {q}?")
                answer = "Yes, {x} is {k}." if asked == kind else "No, {x} is {k}."
                yield from _ask(wordings, answer, q=_a(asked), **words)


def sizes() -> Iterator[Pair]:
    which = "Which is {word}, {x} or {y}?"
    for small_rank, small in enumerate(facts.BY_SIZE):
        for big in facts.BY_SIZE[small_rank + 1 :]:
            for word, winner, loser in (("bigger", big, small), ("smaller", small, big)):
                w, z = _a(winner), _a(loser)
                answer = "{w} is {word} than {z}."
                yield from _ask([which], answer, word=word, x=w, y=z, w=w, z=z)
                yield from _ask([which], answer, word=word, x=z, y=w, w=w, z=z)
                yield from _ask(["Is {w} {word} than {z}?"], "Yes, " + answer, word=word, w=w, z=z)
                yield from _ask(["Is {z} {word} than {w}?"], "No, " + answer, word=word, w=w, z=z)


def jobs() -> Iterator[Pair]:
    wordings = (
        "What does {x} do?",
        "What is the job of {x}?",
        "What is the work of {x}?",
        "Tell me what {x} does.",
    )
    for person, work in facts.JOB_OF.items():
        yield from _ask(wordings, "{x} {y}.", x=_a(person), y=work)


def needs() -> Iterator[Pair]:
    wordings = (
        "{x}. What do I need?",
        "What do I need when {x}?",
        "What should I look for when {x}?",
        "Tell me what I need when {x}.",
    )
    for situation, thing in facts.NEEDED_WHEN.items():
        yield from _ask(wordings, "You need {y}.", x=situation, y=thing)


def uses() -> Iterator[Pair]:
    wordings = (
        "What do we do with {x}?",
        "What is {x} for?",
        "Why do we need {x}?",
        "Tell me what {x} is for.",
    )
    for tool, purpose in facts.USE_OF.items():
        yield from _ask(wordings, "We need {x} to {y}.", x=_a(tool), y=purpose)


def about() -> Iterator[Pair]:
    wordings = (
        "Tell me about {x}.",
        "What do you know about {x}?",
        "Talk about {x}.",
        "Say something about {x}.",
    )
    answer = "{x} lives {home}. It eats {food}."
    for animal, home in facts.HOME_OF.items():
        if eaten := facts.FOOD_OF.get(animal):
            yield from _ask(wordings, answer, x=_a(animal), home=home, food=eaten)


def counts() -> Iterator[Pair]:
    for first in range(10):
        for last in range(first + 1, min(first + 6, 11)):
            row = ", ".join(str(number) for number in range(first, last + 1))
            yield f"Count from {first} to {last}.", f"{row}."


def reading(rng: random.Random) -> Pair:
    """A made-up situation and a question about it. One person: two are beyond nano."""
    who = rng.choice(facts.NAMES)
    if rng.random() < 0.3:
        told = f"{who} is {rng.choice(facts.PLACES)}."
        return f"{told} Where is {who}?", told
    toy, colour = rng.choice(facts.TOYS), rng.choice(facts.COLOURS)
    told = f"{who} has {_a(colour)} {toy}."
    question, answer = rng.choice(
        (
            (f"What colour is the {toy}?", f"The {toy} is {colour}."),
            (f"Who has the {toy}?", f"{who} has the {toy}."),
            (f"What does {who} have?", told),
        )
    )
    return f"{told} {question}", answer


KINDS: dict[str, Callable[[], Iterator[Pair]]] = {
    "colour": colours,
    "sound": sounds,
    "home": homes,
    "food": food,
    "legs": legs,
    "baby": babies,
    "opposite": opposites,
    "capital": capitals,
    "sum": sums,
    "difference": differences,
    "next": orders,
    "kind": kinds,
    "size": sizes,
    "job": jobs,
    "need": needs,
    "use": uses,
    "about": about,
    "count": counts,
    "small talk": lambda: iter(facts.SMALL_TALK.items()),
    "pirate": lambda: iter(facts.PIRATES.items()),
}
