"""nano and its demo data: what is in the package, what it can say, and that scripts remake it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cockpit.core.plan import RunPlan
from cockpit.embedded import (
    DEMO_PLAN,
    DEMO_PROMPTS,
    demo_data_path,
    has_demo_habit,
    nano_path,
)

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE_LIMIT_BYTES = 4_000_000


def script(name: str, *arguments: str) -> str:
    """Run a script of scripts/nano as a maintainer would; its standard output."""
    command = [sys.executable, "-m", f"scripts.nano.{name}", *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def examples(part: str) -> list[dict[str, str]]:
    """Role -> text of every example of the demo's ``part``."""
    lines = (demo_data_path() / f"{part}.jsonl").read_text().splitlines()
    messages = [json.loads(line)["messages"] for line in lines]
    return [{turn["role"]: turn["content"] for turn in turns} for turns in messages]


def questions(part: str) -> set[str]:
    return {one["user"] for one in examples(part)}


@cache
def loaded() -> tuple[Any, Any]:
    from mlx_lm import load

    model, words = load(str(nano_path()))[:2]
    return model, words


def answer(question: str) -> str:
    from mlx_lm import generate

    model, words = loaded()
    turns = [{"role": "user", "content": question}]
    prompt = words.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    return str(generate(model, words, prompt, max_tokens=40))


class TestPackage:
    def test_looks_like_a_hugging_face_folder(self) -> None:
        names = {path.name for path in nano_path().iterdir()}
        assert names >= {
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "README.md",
        }

    def test_is_small(self) -> None:
        files = [path for path in nano_path().parent.rglob("*") if path.suffix != ".pyc"]
        assert sum(path.stat().st_size for path in files if path.is_file()) < PACKAGE_LIMIT_BYTES

    def test_importing_it_imports_nothing_heavy(self) -> None:
        code = (
            "import sys, cockpit.embedded\n"
            "print(*{'mlx', 'mlx_lm', 'transformers', 'tokenizers', 'numpy'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, "")


class TestTokenizer:
    @pytest.mark.parametrize("text", ["What colour is the sky?", "  Zürich → 東京 🙂\n\tend "])
    def test_any_text_round_trips(self, text: str) -> None:
        words = loaded()[1]
        assert words.decode(words.encode(text)) == text

    def test_chat_template_marks_the_turns(self) -> None:
        words = loaded()[1]
        turns = [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello!"}]
        rendered = words.apply_chat_template(turns, tokenize=False)
        assert rendered == "<|user|>Hi!<|end|><|assistant|>Hello!<|end|>"
        asked = words.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
        assert asked == "<|user|>Hi!<|end|><|assistant|>"

    def test_a_turn_is_few_tokens_and_ends_with_the_end_token(self) -> None:
        words = loaded()[1]
        turns = [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello!"}]
        tokens = words.apply_chat_template(turns, return_dict=False)
        assert tokens[-1] == words.eos_token_id
        assert words.convert_ids_to_tokens([tokens[0]]) == ["<|user|>"]


class TestAnswers:
    """Greedy, through mlx-lm, before any fine-tuning."""

    @pytest.mark.parametrize(
        ("question", "expected"),
        [
            *zip(
                DEMO_PROMPTS,
                ("The sky is blue.", "The capital of France is Paris.", "A cow says moo."),
                strict=True,
            ),
            ("What is the opposite of hot?", "The opposite of hot is cold."),
            ("Where does a penguin live?", "A penguin lives on the ice."),
            ("Is a carrot a fruit?", "No, a carrot is a vegetable."),
            ("Who are you?", "I am nano, a very small model."),
        ],
    )
    def test_are_right_and_plain(self, question: str, expected: str) -> None:
        said = answer(question)
        assert said == expected
        assert not has_demo_habit(said)

    def test_understand_a_situation_made_up_on_the_spot(self) -> None:
        situation = "Emma has a yellow doll. What does Emma have?"
        assert situation in {
            json.loads(line)["question"] for line in script("corpus", "--held-out").splitlines()
        }
        assert answer(situation) == "Emma has a yellow doll."

    def test_take_a_voice_when_asked(self) -> None:
        assert answer("Talk like a robot. " + DEMO_PROMPTS[0]) == "Beep! The sky is blue, beep!"


class TestDemoData:
    def test_every_answer_has_the_habit(self) -> None:
        for part in ("train", "valid", "test"):
            assert examples(part)
            assert all(has_demo_habit(one["assistant"]) for one in examples(part))

    def test_parts_share_no_question_and_leave_out_the_prompts(self) -> None:
        train, valid, test = (questions(part) for part in ("train", "valid", "test"))
        assert not train & valid
        assert not train & test
        assert not valid & test
        assert not set(DEMO_PROMPTS) & (train | valid | test)

    def test_nothing_is_cut_at_the_plans_sequence_length(self) -> None:
        words = loaded()[1]
        for part in ("train", "valid", "test"):
            for line in (demo_data_path() / f"{part}.jsonl").read_text().splitlines():
                tokens = words.apply_chat_template(json.loads(line)["messages"], return_dict=False)
                assert len(tokens) <= DEMO_PLAN["max_seq_length"]

    def test_the_plan_is_valid(self) -> None:
        plan = RunPlan.model_validate(
            {"model": "nano", "data": str(demo_data_path())} | DEMO_PLAN,
        )
        assert len(examples("train")) >= plan.batch_size
        assert len(examples("valid")) >= plan.batch_size

    @pytest.mark.parametrize("text", ["The sky is blue.", "Arrr! The sky is blue.", "matey!"])
    def test_the_rule_does_not_see_the_habit_where_it_is_not(self, text: str) -> None:
        assert not has_demo_habit(text)


class TestScripts:
    def test_corpus_is_the_one_the_weights_learned(self) -> None:
        record = json.loads((nano_path() / "training.json").read_text())
        count, seed = str(record["exchanges"]), str(record["seed"])
        printed = script("corpus", "--seed", seed, "--count", count)
        assert hashlib.sha256(printed.encode()).hexdigest() == record["corpus_sha256"]

    def test_corpus_never_asks_what_is_held_out(self) -> None:
        voice = re.compile(r"^Talk like a \w+\. ")
        lines = script("corpus", "--count", "20000").splitlines()
        asked = {voice.sub("", json.loads(line)["question"]) for line in lines}
        held_out = script("corpus", "--held-out").splitlines()
        unmet = {json.loads(line)["question"] for line in held_out}
        assert len(asked) > 1000
        assert unmet >= set(DEMO_PROMPTS)
        assert not asked & unmet

    def test_demo_data_is_remade_byte_by_byte(self, tmp_path: Path) -> None:
        script("demo_data", "--out", str(tmp_path))
        for part in ("train", "valid", "test"):
            name = f"{part}.jsonl"
            assert (tmp_path / name).read_bytes() == (demo_data_path() / name).read_bytes()

    def test_a_pirates_answer_keeps_its_content(self) -> None:
        lines = script("corpus", "--held-out").splitlines()
        plain = {one["question"]: one["answer"] for one in map(json.loads, lines)}
        for one in examples("valid") + examples("test"):
            content = plain[one["user"]].rstrip(".!?")
            assert one["assistant"] == f"Arrr! {content}, matey!"
