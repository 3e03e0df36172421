"""Files read whole and written whole: never read without a bound, and never half there for a reader.

A pipe without a writer is not waited for.
"""

import errno
import os
import stat
import tempfile
from pathlib import Path

MOST = 32 * 1024 * 1024


def whole(path: Path, most: int = MOST, *, wait: bool = True) -> bytes:
    """Return a file's bytes; raises `OSError` for more than `most` bytes, and for a pipe that no program writes to.

    `wait` False: do not wait for a pipe that a program holds open either.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        os.set_blocking(file.fileno(), wait)
        found = file.read(most + 1) or b""
        if not found and stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EPIPE, "a pipe that no program writes to", str(path))
    if len(found) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(path))
    return found


def whole_text(path: Path) -> str:
    """Return the text of a file in UTF-8, without a byte order mark; raises as `whole`, and `UnicodeDecodeError`."""
    return whole(path).decode("utf-8-sig").replace("\r\n", "\n")


def put_whole(path: Path, content: bytes) -> None:
    """Replace a file: its readers get the former content or this one, and so does a restart after a power cut.

    Raises `OSError` where the directory or the disk refuses; the former file is kept then.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
