"""The texts of the code use the words of the field: a ceiling for each word that hides what is meant, and it only falls.

Docs have stricter rules of their own (`tests/unit/test_docs_words.py`).
"""

import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

WORDS = {
    "what": r"what(?! ?if|-if)",
    "say, tell": r"say|says|said|tell|tells|told",
    "leave": r"leave|leaves|left",
    "come": r"come|comes|came",
    "stand": r"stand|stands|stood",
    "lie": r"lie|lies|lay",
    "whoever": r"whoever|whatever|wherever",
    "of ours": r"of (?:ours|its own|their own)",
    "nobody": r"nobody",
    "alone": r"alone",
    "go on": r"(?:go|goes|went) on",
    "anew": r"anew",
    "beside": r"besides?",
    "hand over": r"hand(?:s|ed)? over|gives? way|lets? go",
    "witness": r"witness(?:es)?",
    "see to it": r"sees? to it|takes? note|looks? on|speaks? (?:for|against)",
}
CEILINGS = {
    "what": 245, "say, tell": 60, "leave": 180, "come": 30, "stand": 40, "lie": 20, "whoever": 10, "of ours": 45,
    "nobody": 15, "alone": 15, "go on": 15, "anew": 10, "beside": 40, "hand over": 5, "witness": 0, "see to it": 5,
}  # fmt: skip
"""So often each word is in the strings and comments of `arb/`."""


def texts(source: str) -> Iterator[str]:
    """Yield the strings and comments of a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield token.string


def test_the_code_uses_a_word_no_more_often_than_before_and_a_ceiling_falls_with_its_word(repo_root: Path) -> None:
    counted = Counter[str]()
    for path in (repo_root / "arb").rglob("*.py"):
        for text in texts(path.read_text(encoding="utf-8")):
            for word, pattern in WORDS.items():
                counted[word] += len(re.findall(rf"\b(?:{pattern})\b", text, re.IGNORECASE))
    found = {word: counted[word] for word in WORDS}
    assert {word: count for word, count in found.items() if count > CEILINGS[word]} == {}, "name the thing instead"
    assert {word: count for word, count in found.items() if count + 20 < CEILINGS[word]} == {}, "lower the ceilings"
