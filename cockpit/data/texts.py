"""What can be wrong inside a text: control tokens, control characters, lost or garbled letters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cockpit.data.findings import Fault

# Control tokens of the families that mlx-lm trains, typed out. "</s>" and "<s>" are also HTML
# (strike-through), and still end a sequence for Llama 2 and Mistral.
_TURNS = (
    r"<\|(?:im_start|im_end|endoftext|begin_of_text|end_of_text|start_header_id|end_header_id|"
    r"eot_id|eom_id|end|user|assistant|system|endofprompt|start|message|channel|return|call)\|>"
    r"|<(?:start|end)_of_turn>"
)
USUAL_TOKENS = re.compile(_TURNS + r"|</?s>|<(?:bos|eos|pad|unk)>|\[/?INST\]|<</?SYS>>")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# UTF-8's lead bytes of Latin letters and of quotes, read as Windows-1252.
_MOJIBAKE = re.compile(r"Ã[\x80-\xbf¡-¿€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸ]|â€[™œ\x9d“”¦˜]|Â[\xa0£©«»°]")


def tokens_of_model(own: Iterable[str]) -> re.Pattern[str]:
    """A pattern of a tokenizer's own control tokens, and of what opens and closes turns."""
    longest_first = sorted(own, key=len, reverse=True)
    return re.compile("|".join([*map(re.escape, longest_first), _TURNS]))


def faults_of(texts: Sequence[str], tokens: re.Pattern[str] = USUAL_TOKENS) -> list[Fault]:
    """What is wrong inside an example's texts, each kind once."""
    found = []
    for text in texts:
        if ("<" in text or "[" in text) and (token := tokens.search(text)):
            found.append(Fault("control-token", f"{token.group()!r}"))
            break
    for text in texts:
        if not text.isprintable():
            found += _unprintable(text)
        if not text.isascii():
            found += _garbled(text)
    return list({fault.code: fault for fault in reversed(found)}.values())[::-1]


def _unprintable(text: str) -> list[Fault]:
    found = []
    if control := _CONTROL.search(text):
        found.append(Fault("control-characters", f"U+{ord(control.group()):04X}"))
    if surrogate := _SURROGATE.search(text):
        found.append(Fault("lone-surrogate", f"U+{ord(surrogate.group()):04X}"))
    return found


def _garbled(text: str) -> list[Fault]:
    found = []
    if "\ufffd" in text:
        found.append(Fault("replacement-character"))
    if ("Ã" in text or "â€" in text or "Â" in text) and (letters := _MOJIBAKE.search(text)):
        found.append(Fault("mojibake", f"{letters.group()!r}"))
    return found
