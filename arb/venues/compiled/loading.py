"""Loading compiled code: compiled once for this version, this machine and this Python, then read from disk.

numba looks for changes in one file only, the one in which a function stands. So the code is kept in a folder named after all
sources it is made from, `arb/compiled-...` below the user's folder for caches. Where that cannot be written, every process
compiles it anew.
"""

import contextlib
import ctypes
import hashlib
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from arb.errors import ArbError
from arb.process import no_interrupt_lost, own_folder

log = logging.getLogger(__name__)

_PARTS = ("venues/compiled", "market/words.py", "market/arena.py", "venues/wire/base.py", "core/risk")
Take = Callable[[int, int, int, int], int]
Show = Callable[[int], int]
Step = Callable[[int], int]
"""Does what an order in memory says, of which it is given the address."""
Search = Callable[[int, int, int], int]
"""Answers for a block of words and two rows of an arena, all by their addresses; see `sizing.py`."""
BYTES_AT = bytes.__basicsize__ - 1
"""Where CPython keeps the characters of a `bytes` object, counted from its head; one more byte ends them."""


_COMPILE_SIZES = "from arb.venues.compiled.loading import load_sizes; load_sizes()"


class CompiledUnavailable(ArbError):
    """Compiled books cannot be had here; the text says why."""


def is_available() -> bool:
    """Return whether compiled code can be had, loading it if so."""
    try:
        load_all()
    except CompiledUnavailable:
        return False
    return True


def is_compiled(module: str = "kernel") -> bool:
    """Return whether an earlier process has left compiled code on disk: that of books, or of another module here."""
    folder = _folder()
    return folder.is_dir() and any(folder.rglob(f"{module}.*.nbi"))


def is_whole() -> bool:
    """Return whether an earlier process has left on disk all that `load_all` loads."""
    return is_compiled() and is_compiled("sizing")


def load_all() -> None:
    """Load what keeps books and what searches plans; raises `CompiledUnavailable` without numba.

    Where neither is on disk a second process compiles the search meanwhile, which on two processors saves a third of the
    time. What it leaves undone, for whatever reason, is compiled here.
    """
    apart = _prepared() and not is_compiled() and not is_compiled("sizing")
    with no_interrupt_lost():
        with _compiling_sizes() if apart else contextlib.nullcontext():
            load()
        load_sizes()


@contextlib.contextmanager
def _compiling_sizes() -> Iterator[None]:
    """Have another process compile the search into the cache; wait for it at the end, or stop it if that is not reached."""
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", _COMPILE_SIZES],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        log.info("no second process helps to compile: %s", error)
        yield
        return
    with child:
        try:
            yield
        except BaseException:
            child.kill()
            raise


@cache
def load() -> tuple[Take, Show]:
    """Return the compiled functions, compiled in ten to twenty seconds; raises `CompiledUnavailable` without numba."""
    cached = _prepared()
    from arb.venues.compiled.kernel import compile_all

    return compile_all(cached=cached)


@cache
def load_blocks() -> tuple[Step, Step, Step]:
    """Return what reads lines of tapes, what takes their frames and what measures them, as `load` does."""
    cached = _prepared()
    if not is_compiled("blocks"):
        log.info("compiling the code that takes frames of tapes in a row, once for this version: about three seconds")
    from arb.venues.compiled.blocks import measure_frames, take_frames
    from arb.venues.compiled.kernel import entry_point
    from arb.venues.compiled.tape_lines import read_lines

    made = (entry_point(found, "int64(int64)", cached=cached) for found in (read_lines, take_frames, measure_frames))
    with no_interrupt_lost():
        read, take, measure = made
    return read, take, measure


@cache
def load_sizes() -> Search:
    """Return what searches the best size of two rows, as `load` does; five to eight seconds to compile."""
    cached = _prepared()
    from arb.venues.compiled.kernel import entry_point
    from arb.venues.compiled.sizing import best_sizes

    search: Search = entry_point(best_sizes, "int64(int64, int64, int64)", cached=cached)
    return search


def _prepared() -> bool:
    """See that compiled code can be had, and where it is kept; return whether it is."""
    probe = b"where the characters are"
    if sys.implementation.name != "cpython" or sys.byteorder != "little":
        raise CompiledUnavailable(f"{platform.python_implementation()} on a {sys.byteorder}-endian machine")
    try:
        import numba
    except ImportError as error:
        raise CompiledUnavailable(f"numba cannot be imported: {error}") from error
    if ctypes.string_at(id(probe) + BYTES_AT, len(probe)) != probe:
        raise CompiledUnavailable("this Python keeps the characters of bytes elsewhere than CPython does")
    kept = _kept()
    if kept is not None:
        numba.config.CACHE_DIR = str(kept)
    return kept is not None


def _kept() -> Path | None:
    """Return where compiled code is kept, or None; others must not write there, for numba unpickles what it finds."""
    try:
        kept = own_folder(_folder())
    except (OSError, RuntimeError) as error:  # the user has no home, or one where others may write
        log.warning("compiled code cannot be kept for the next start: %s", error)
        return None
    return kept if os.access(kept, os.W_OK) else None


def _folder() -> Path:
    digest = hashlib.sha256(sys.version.encode())
    root = Path(__file__).resolve().parents[2]
    for part in _PARTS:
        place = root / part
        for path in sorted(place.glob("*.py")) if place.is_dir() else (place,):
            digest.update(path.read_bytes())
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "arb" / f"compiled-{digest.hexdigest()[:16]}"
