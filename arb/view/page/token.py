"""The token that lets a browser in: 32 random bytes in a file that only this user may read, beside the journal as a rule.

A user who can read the file can read the ledger, too. A browser proves that it knows the token, and never sends it
(`sessions.py`).
"""

import contextlib
import hashlib
import os
import random
import re
import stat
from pathlib import Path

from arb.errors import ConfigError
from arb.process import own_folder

BYTES = 32
_TOKEN = re.compile(rf"[0-9a-f]{{{2 * BYTES}}}")


def token_path(journal: Path) -> Path:
    """Return the place of the token that belongs to a journal: beside it; where nothing can be written, in the user's state."""
    beside = journal.with_name(journal.name.removesuffix(".sqlite") + ".ui-token")
    if beside.exists() or not beside.parent.exists() or os.access(beside.parent, os.W_OK):
        return beside
    try:
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        of_user = own_folder(state / "arb")
    except (OSError, RuntimeError) as error:  # the user has no home, or one where others may write
        raise ConfigError(f"token folder: {error}: set XDG_STATE_HOME to a folder of your own") from None
    return of_user / f"{hashlib.sha256(str(journal.resolve()).encode()).hexdigest()[:16]}.ui-token"


def load_token(path: Path, rng: random.Random) -> str:
    """Return the token of a file, which is made when it is absent, whole or not at all.

    Raises `ConfigError` for a file that cannot be read, that others may read, or that holds no token: to write over it might
    cost somebody something, and to go on without would open the page to everybody.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return _make(path, rng)
    except OSError as error:
        raise ConfigError(
            f"token file {path}: {error.strerror}: make it readable, or delete it for a new one"
        ) from None
    with os.fdopen(descriptor, "r", encoding="ascii", errors="replace") as file:
        found = os.fstat(file.fileno())
        mode = stat.S_IMODE(found.st_mode)
        if found.st_uid != os.geteuid():
            raise ConfigError(f"token file {path}: another user made it: delete it, and a new one is made")
        if mode & 0o077:
            raise ConfigError(f"token file {path}: others may read it ({mode:o}): delete it, and a new one is made")
        try:
            token = file.read(2 * BYTES + 2).strip()
        except OSError as error:
            raise ConfigError(f"token file {path}: {error.strerror}: delete it for a new one") from None
    if not _TOKEN.fullmatch(token):
        raise ConfigError(f"token file {path}: holds no token: delete it, and a new one is made")
    return token


def _make(path: Path, rng: random.Random) -> str:
    token = rng.randbytes(BYTES).hex()
    aside = path.with_name(f".{path.name}.{rng.getrandbits(64):016x}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(token + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                aside.unlink()
    except FileExistsError:
        return load_token(path, rng)  # another process was first
    except OSError as error:
        raise ConfigError(f"token file {path}: {error.strerror}: make its directory writable") from None
    return token
