"""Pages of the site that are made from other files, and the links to them.

mkdocs calls this (`hooks` in mkdocs.yml). It rewrites only the site's copies, so GitHub shows the pages as they are.
"""

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

TOP = Path(__file__).resolve().parent.parent
LINKS = (
    (r"\]\((?:\.\./)*docs/decisions\)", "](decisions/0001-two-hashed-locks.md)"),
    (r"\]\((?:\.\./)*docs/", "]("),
    (r"\]\((?:\.\./)*proofs/scenarios\)", "](scenarios.md)"),
    (r"\]\((?:\.\./)*config\.toml\)", "](config.md)"),
    (r"\]\((?:\.\./)*LICENSE\)", "](LICENSE.md)"),
    (r"\]\((?:\.\./)*README\.md", "](index.md"),
    (r"\]\((?:\.\./)*notebooks/(\w+)\.ipynb\)", r"](notebooks/\1.md)"),
)
"""Links to files outside docs/, and their pages in the site."""
ELSEWHERE = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//|@import"""
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the decisions and the notebooks, each by its own title, into the navigation."""
    decisions = [{_title(path): f"decisions/{path.name}"} for path in sorted((TOP / "docs/decisions").glob("*.md"))]
    notebooks = [{_name(path): f"notebooks/{path.stem}.md"} for path in sorted((TOP / "notebooks").glob("*.ipynb"))]
    config.nav = _filled(config.nav, {"DECISIONS": decisions, "NOTEBOOKS": notebooks})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from other files."""
    made = {
        "index.md": _text("README.md"),
        "CHANGELOG.md": _text("CHANGELOG.md"),
        "LICENSE.md": f"# Licence\n\n```text\n{_text('LICENSE')}\n```\n",
        "config.md": "# Every setting\n\n`config.toml`: every key with its default and meaning.\n\n"
        f"```toml\n{_text('config.toml')}```\n",
        "scenarios.md": "# Scenarios\n\nOne for every fault: `python -m proofs.faultsim --scenario FILE`.\n"
        + "".join(
            f"\n## {path.stem}\n\n```toml\n{path.read_text()}```\n"
            for path in sorted((TOP / "proofs/scenarios").glob("*.toml"))
        ),
    }
    for name in ("METRICS.md", "OUTCOMES.md", "SCHEMA.md"):
        made[name] = _generated(name)
    for path in sorted((TOP / "notebooks").glob("*.ipynb")):
        made |= _notebook(path)
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the site's pages, and add the blank lines before lists that only mkdocs needs."""
    above = "../" * page.file.src_uri.count("/")
    for link, place in LINKS:
        markdown = re.sub(link, lambda found, to=place: found.expand(to).replace("](", f"]({above}", 1), markdown)
    return re.sub(r"(?m)^((?![-*|>#`\s]|\d+\. ).+)\n(?=(?:[-*]|\d+\.) )", r"\1\n\n", markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that loads anything from elsewhere."""
    for path in Path(config.site_dir).rglob("*"):
        if path.suffix in (".html", ".css") and (found := ELSEWHERE.search(path.read_text(encoding="utf-8"))):
            raise PluginError(f"{path}: loads from elsewhere: {found[0]}")


def _text(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


def _generated(name: str) -> str:
    """Return a page that the code makes; `make docs` writes it first, since mkdocs runs in an environment without arb."""
    try:
        return _text(f"build/pages/{name}")
    except FileNotFoundError:
        raise PluginError(f"build/pages/{name} is missing: run `make docs`") from None


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").replace("`", "")


def _name(path: Path) -> str:
    return path.stem.replace("_", " ").capitalize()


def _filled(nav: Any, lists: dict[str, list[dict[str, str]]]) -> Any:
    if isinstance(nav, dict):
        return {name: _filled(below, lists) for name, below in nav.items()}
    return [_filled(each, lists) for each in nav] if isinstance(nav, list) else lists.get(nav, nav)


def _notebook(path: Path) -> dict[str, str]:
    """Return the page of a notebook with its outputs, and its drawings."""
    made, parts = dict[str, str](), list[str]()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if drawing := data.get("image/svg+xml"):
                name = f"{path.stem}-{len(made) + 1}.svg"
                made[f"notebooks/{name}"] = "".join(drawing)
                parts.append(f"![]({name})")
            elif text := data.get("text/plain"):
                parts.append(f"```text\n{''.join(text)}\n```")
    return made | {f"notebooks/{path.stem}.md": "\n\n".join(parts) + "\n"}
