"""What earlier versions left behind, unpacked (tests/data/README.md)."""

import gzip
import lzma
import shutil
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
SCHEMA_0004 = "schema-0004"


def unpacked(name: str, folder: Path, version: str = SCHEMA_0004) -> Path:
    """Return a copy of one of a version's files in `folder`, to be read or written at will."""
    path = folder / name
    zipped = DATA / version / f"{name}.gz"
    with (
        gzip.open(zipped) if zipped.exists() else lzma.open(zipped.with_suffix(".xz")) as packed,
        path.open("wb") as file,
    ):
        shutil.copyfileobj(packed, file)
    return path
