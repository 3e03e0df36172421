"""The pages people read stay short and plain: a ceiling for all words, for each sentence, and for words the style avoids."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

WORDS_MAX = 30_000
SENTENCE_WORDS_MAX = 25
AVOIDED = re.compile(
    r"\b(what|say|says|said|tell|tells|told|leave|leaves|left|come|comes|came|stand|stands|stood|lie|lies|lay|whoever|whatever"
    r"|wherever|of (?:ours|yours|theirs|its own|their own|your own)|nobody|alone|go on|goes on|went on|anew|beside|besides"
    r"|hand(?:s|ed)? over|gives? way|lets? go|witness(?:es)?|strikes?|aims?|conduct|darkness|sees? to it|takes? note|looks? on"
    r"|speaks? (?:for|against)|thinks? of)\b",
    re.IGNORECASE,
)
ALLOWED = re.compile(r"what-if|[^.|\n]*\?")
"""A question may ask "what"."""


def pages(repo_root: Path) -> list[Path]:
    return [repo_root / "README.md", *sorted((repo_root / "docs").rglob("*.md"))]


def prose(text: str) -> str:
    """Return a page without code blocks, and with links and code as one word each."""
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    text = re.sub(r"(?m)^(?: {4}|\t).*$", "", text)
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"`[^`]*`", "CODE", text)


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences outside of tables; a heading, a list item and a paragraph each end one."""
    lines = [line for line in prose(text).splitlines() if not line.startswith("|")]
    for block in re.split(r"\n(?=\s*(?:[-*>#]|\d+\.) )|\n\s*\n", "\n".join(lines)):
        for sentence in re.split(r"(?<=[.!?])[)\"*]*\s+", block):
            yield " ".join(sentence.split())


def test_the_pages_stay_short(repo_root: Path) -> None:
    counted = {path.name: len(path.read_text(encoding="utf-8").split()) for path in pages(repo_root)}
    assert sum(counted.values()) <= WORDS_MAX, sorted(counted.items(), key=lambda item: -item[1])[:8]


def test_a_decision_has_at_most_400_words(repo_root: Path) -> None:
    for path in (repo_root / "docs" / "decisions").glob("*.md"):
        assert len(path.read_text(encoding="utf-8").split()) <= 400, path.name


def test_a_key_of_config_toml_has_a_short_comment(repo_root: Path) -> None:
    comments = re.findall(r"(?m)^\w+ = .*?\s# (.+)$", (repo_root / "config.toml").read_text(encoding="utf-8"))
    assert len(comments) > 100
    assert [comment for comment in comments if len(comment.split()) > 20] == []


def test_no_sentence_is_longer_than_a_reader_holds(repo_root: Path) -> None:
    long = [
        f"{path.relative_to(repo_root)}: {sentence}"
        for path in pages(repo_root)
        for sentence in sentences(path.read_text(encoding="utf-8"))
        if len(sentence.split()) > SENTENCE_WORDS_MAX
    ]
    assert long == []


def test_the_pages_use_plain_words(repo_root: Path) -> None:
    found = Counter[str]()
    for path in pages(repo_root):
        for word in AVOIDED.findall(ALLOWED.sub("", prose(path.read_text(encoding="utf-8")))):
            found[f"{path.relative_to(repo_root)}: {word.lower()}"] += 1
    assert found == Counter()
