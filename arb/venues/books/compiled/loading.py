"""Loading compiled code: compiled once for this version, this machine and this Python, then read from disk.

numba looks for changes in one file only, the one that defines a function. So the code is kept in a folder named after
all sources it is made from, `arb/compiled-...` below the user's folder for caches. Where that cannot be written, it is
compiled by each process for itself, in a folder that ends with it.
"""

import asyncio
import atexit
import contextlib
import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from arb.errors import ArbError
from arb.process import no_interrupt_lost, own_folder

log = logging.getLogger(__name__)

_PARTS = ("venues/books/compiled", "market/words.py", "market/arena.py", "venues/books/plain/base.py", "core/books")
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "LD_", "PYTHON", "NUMBA_", "VIRTUAL_ENV", "SYSTEMROOT")
Take = Callable[[int, int, int, int], int]
Show = Callable[[int], int]
Step = Callable[[int], int]
"""Executes an order in memory at the given address."""
Search = Callable[[int, int, int], int]
"""Answers for a block of words and two rows of an arena, all by their addresses; see `sizing.py`."""
BYTES_AT = bytes.__basicsize__ - 1
"""Where CPython keeps the characters of a `bytes` object, counted from its head; one more byte ends them."""


_COMPILE_SIZES = "from arb.venues.books.compiled.loading import load_sizes; load_sizes()"
_COMPILE_ALL = "import os; os.nice(10); from arb.venues.books.compiled.loading import load_all; load_all()"


class CompiledUnavailable(ArbError):
    """Compiled books are not available; the text gives the reason."""


def is_available() -> bool:
    """Return whether compiled code can be had, loading it if so."""
    try:
        load_all()
    except CompiledUnavailable:
        return False
    return True


def can_be_compiled() -> bool:
    """Return whether compiled code can be had, without loading it."""
    try:
        _prepared()
    except CompiledUnavailable:
        return False
    return True


def is_compiled(module: str = "kernel") -> bool:
    """Return whether an earlier process put compiled code on disk: that of books, or of another module here."""
    try:
        return any(_folder(_caches()).rglob(f"{module}.*.nbi"))
    except CompiledUnavailable:
        return False


def is_whole() -> bool:
    """Return whether an earlier process put all that `load_all` loads on disk."""
    return is_compiled() and is_compiled("sizing")


def load_all() -> None:
    """Load the code that keeps books and the code that searches plans; raises `CompiledUnavailable` without numba.

    Where neither is on disk a second process compiles the search meanwhile, which on two processors saves a third of
    the time. Anything it does not finish is compiled here.
    """
    _prepared()
    apart = not is_compiled() and not is_compiled("sizing")
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
            env=_environment(),
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


async def compile_apart() -> bool:
    """Compile the code of `load_all` in another process, after ours in its claim on a processor; return whether it is
    on disk.

    Raises `OSError` where no process can be started; one that is cancelled is stopped.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _COMPILE_ALL),
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return is_whole()


def _environment() -> dict[str, str]:
    """Return the environment of a compiling process: no key is in it, for a compiler may write a core file."""
    kept = {name: text for name, text in os.environ.items() if name.startswith(_KEPT)}
    return kept | {"XDG_CACHE_HOME": str(_caches())}


@cache
def load() -> tuple[Take, Show]:
    """Return the compiled functions, compiled in ten to twenty seconds; raises `CompiledUnavailable` without numba."""
    _prepared()
    from arb.venues.books.compiled.kernel import compile_all

    return compile_all()


@cache
def load_blocks() -> tuple[Step, Step, Step]:
    """Return the reader of lines of tapes, the taker of their frames and their measurer, as `load` does."""
    _prepared()
    if not is_compiled("blocks"):
        log.info("compiling the code that takes frames of tapes in a row, once for this version: about three seconds")
    from arb.venues.books.compiled.blocks import measure_frames, take_frames
    from arb.venues.books.compiled.kernel import entry_point
    from arb.venues.books.compiled.tape_lines import read_lines

    made = (entry_point(found, "int64(int64)") for found in (read_lines, take_frames, measure_frames))
    with no_interrupt_lost():
        read, take, measure = made
    return read, take, measure


@cache
def load_sizes() -> Search:
    """Return the search of the best size of two rows, as `load` does; five to eight seconds to compile."""
    _prepared()
    from arb.venues.books.compiled.kernel import entry_point
    from arb.venues.books.compiled.sizing import best_sizes

    search: Search = entry_point(best_sizes, "int64(int64, int64, int64)")
    return search


def _prepared() -> None:
    """Ensure that compiled code is available, and set its cache folder; raise `CompiledUnavailable` if not."""
    probe = b"where the characters are"
    if sys.implementation.name != "cpython" or sys.byteorder != "little":
        raise CompiledUnavailable(f"{platform.python_implementation()} on a {sys.byteorder}-endian machine")
    try:
        import numba
    except ImportError as error:
        raise CompiledUnavailable(f"numba cannot be imported: {error}") from error
    if ctypes.string_at(id(probe) + BYTES_AT, len(probe)) != probe:
        raise CompiledUnavailable("this Python keeps the characters of bytes elsewhere than CPython does")
    numba.config.CACHE_DIR = str(_folder(_caches()))


@cache
def _caches() -> Path:
    """Return the user's folder for caches, or where others may write to it one that ends with this process.

    Others must not write there, for numba unpickles its files.
    """
    try:
        usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        kept = own_folder(_folder(usual))
        if not os.access(kept, os.W_OK):
            raise PermissionError(f"{kept} cannot be written")
    except (OSError, RuntimeError) as error:  # the user has no home, or one where others may write
        log.warning("compiled code cannot be kept for the next start: %s", error)
    else:
        return usual
    try:
        made = Path(tempfile.mkdtemp(prefix="arb-compiled-"))
        own_folder(_folder(made))
    except OSError as error:
        raise CompiledUnavailable(f"compiled code can be kept nowhere: {error}") from error
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _folder(caches: Path) -> Path:
    digest = hashlib.sha256(sys.version.encode())
    root = Path(__file__).resolve().parents[3]
    for part in _PARTS:
        place = root / part
        for path in sorted(place.glob("*.py")) if place.is_dir() else (place,):
            digest.update(path.read_bytes())
    return caches / "arb" / f"compiled-{digest.hexdigest()[:16]}"
