"""The meanings of the codes that people meet, for the page. docs/FAILURES.md has the same tables (`meanings.txt`)."""

import re
from functools import cache
from importlib.resources import files

from arb.core.risk.monitor import MEANING

SECTIONS = {"incident": "Incidents", "halt": "Halt reasons", "reason": "Why nothing is traded"}


@cache
def meanings() -> dict[str, dict[str, str]]:
    """Return by the sort of code (`incident`, `halt`, `reason`, `health`) each code's cause and remedy in one text."""
    text = (files("arb.view") / "meanings.txt").read_text(encoding="utf-8")
    found = {sort: _section(text, heading) for sort, heading in SECTIONS.items()}
    return found | {"health": {str(state): means for state, means in MEANING.items()}}


def _section(text: str, heading: str) -> dict[str, str]:
    _, _, rest = text.partition(f"## {heading}\n")
    rows = (line.strip("|").split("|") for line in rest.partition("## ")[0].splitlines())
    return {code: _plain(means, do) for codes, means, do in rows for code in re.findall(r"`(\w+)`", codes)}


def _plain(means: str, do: str) -> str:
    """Return cause and remedy without markup."""
    do = "" if do.strip() == "nothing" else f" To do: {do.strip()}."
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", f"{means.strip()}.{do}").replace("`", "")
