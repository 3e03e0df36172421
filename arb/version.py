"""Which build this is: version, commit, and a hash of the code, such as `0.1.0+g59d95da6a1b2.c0f3d9a7e4b21`.

The hash differs between any two builds, changed checkouts too, with or without git; the commit names the source. A
checkout's commit is read from `.git`, without git; a wheel's and an archive's from the file that setup.py writes into
them.
"""

import hashlib
import os
import re
from functools import cache
from pathlib import Path

from arb import __version__

COMMIT_FILE = "commit.txt"
"""In the package as it is built, and never in the repository."""
_CODE = (".py", ".csv", ".css", ".html", ".js")
_SHOWN = 12
_HASH = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_PACKAGE = Path(__file__).parent


@cache
def version() -> str:
    """Return the name of this build; reads the code, some 30 ms the first time."""
    return version_of(_PACKAGE)


def code_version() -> str:
    """Return the name of this build without its commit, where its code is known: only changed code changes it."""
    return re.sub(r"\+g[0-9a-f]+\.c", "+c", version())


def version_of(package: Path) -> str:
    """Return the name of the build whose package is in a folder."""
    root = package.parent
    migrations = root / "migrations"  # a built package has them inside
    commit = (commit_of(root) if migrations.is_dir() else "") or _text(package / COMMIT_FILE)
    code = _hash_of({"arb": package, "arb/migrations": migrations})
    parts = [f"g{commit[:_SHOWN]}" if _HASH.fullmatch(commit) else "", f"c{code[:_SHOWN]}" if code else ""]
    return f"{__version__}+{'.'.join(filter(None, parts))}".rstrip("+")


def commit_of(root: Path) -> str:
    """Return the commit that is checked out at `root`, "" where that is no checkout or not known."""
    git = root / ".git"
    if git.is_file():  # of a linked worktree
        git = root / _text(git).removeprefix("gitdir: ")
    head = _text(git / "HEAD")
    if not head.startswith("ref: "):
        return head if _HASH.fullmatch(head) else ""
    name = head.removeprefix("ref: ")
    shared = git / (_text(git / "commondir") or ".")
    packed = re.search(rf"^([0-9a-f]+) {re.escape(name)}$", _text(shared / "packed-refs"), re.MULTILINE)
    found = _text(git / name) or _text(shared / name) or (packed[1] if packed else "")
    return found if _HASH.fullmatch(found) else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _hash_of(folders: dict[str, Path]) -> str:
    """Return a hash of all code in folders, by the names under which a built package has it; "" where none can be read."""
    files: dict[str, Path] = {}
    for name, folder in folders.items():
        for where, inner, names in os.walk(folder):
            inner[:] = [one for one in inner if one != "__pycache__"]
            at = Path(where)
            of = "/".join((name, *at.relative_to(folder).parts))
            files |= {f"{of}/{one}": at / one for one in names if one.endswith(_CODE)}
    total = hashlib.sha256()
    try:
        for name in sorted(files):
            data = files[name].read_bytes()
            total.update(f"{name} {len(data)}\n".encode() + data)
    except OSError:
        return ""
    return total.hexdigest() if files else ""
