"""The pages of docs/: each has its place in the site, and links between files of the project lead somewhere."""

import re
from pathlib import Path

import click
import pytest

from arb.cli.root import cli

NO_CONTEXT = click.Context(cli)
PAGES = ("README.md", "CHANGELOG.md", "docs/*.md", "docs/venues/*.md", "docs/decisions/*.md")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def test_every_page_has_its_place_in_the_site(repo_root: Path) -> None:
    site = (repo_root / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [*(repo_root / "docs").glob("*.md"), *(repo_root / "docs" / "venues").glob("*.md")]
    names = [path.relative_to(repo_root / "docs").as_posix() for path in pages]
    assert names and not [name for name in names if f": {name}\n" not in site], "name it under nav in mkdocs.yml"


@pytest.mark.parametrize("pages", PAGES)
def test_links_lead_to_files_that_are_there(pages: str, repo_root: Path) -> None:
    broken = []
    for path in repo_root.glob(pages):
        for link in LINK.findall(re.sub(r"(?s)```.*?```", "", path.read_text(encoding="utf-8"))):
            if not (path.parent / link).exists():
                broken.append(f"{path.relative_to(repo_root)}: {link}")
    assert broken == []


def test_texts_point_to_modules_that_exist(repo_root: Path) -> None:
    folders = ("arb", "proofs", "tests", "migrations", "docs")
    modules = [f"/{path.relative_to(repo_root)}" for folder in folders for path in (repo_root / folder).rglob("*.py")]
    sources = [*(repo_root / "arb").rglob("*.py"), *(repo_root / "docs").rglob("*.md")]
    lost = []
    for source in sources:
        for name in re.findall(r"`((?:\w+/)*\w+\.py)\b", source.read_text(encoding="utf-8")):
            if not any(module.endswith(f"/{name}") for module in modules):
                lost.append(f"{source.relative_to(repo_root)}: {name}")
    assert lost == []


def test_code_and_settings_point_to_pages_that_exist(repo_root: Path) -> None:
    sources = [repo_root / "config.toml", repo_root / "Makefile"]
    for folder in ("arb", "proofs", "migrations", "notebooks"):
        sources += [path for path in (repo_root / folder).rglob("*") if path.suffix in {".py", ".csv", ".ipynb"}]
    named = {page for path in sources for page in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))}
    assert len(named) >= 10
    assert sorted(page for page in named if not (repo_root / page).exists()) == []


def shown_commands(text: str) -> list[str]:
    blocks = "\n".join(re.findall(r"(?ms)^```.*?^```", text))
    return re.findall(r"`arb ([^`]+)`", text) + re.findall(r"(?m)^(?:\.venv/bin/|\$ )?arb (.+)$", blocks)


def test_every_command_and_option_that_a_page_shows_exists(repo_root: Path) -> None:
    wrong, seen = [], 0
    for path in [repo_root / "README.md", *(repo_root / "docs").rglob("*.md")]:
        for line in shown_commands(path.read_text(encoding="utf-8")):
            words = [word.strip("[](),;.") for word in line.partition("#")[0].split()]
            command: click.Command = cli
            while isinstance(command, click.Group) and words and (below := command.get_command(NO_CONTEXT, words[0])):
                command, words = below, words[1:]
            options = {name for option in command.params for name in option.opts} | {"--help", "--version"}
            named = {word.partition("=")[0] for word in words if word.startswith("--")}
            seen += 1
            if (command is cli and not named) or named - options:
                wrong.append(f"{path.name}: arb {line}")
    assert seen > 150
    assert wrong == []
