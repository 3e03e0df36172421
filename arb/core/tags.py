"""Tags: what the classes of events, commands and rows are called on disk (docs/decisions/0002-frozen-names-on-disk.md).

A class may be renamed at any time; its tag never, for every journal and tape written so far holds it.
"""

import msgspec


def tag_of(message: msgspec.Struct | type[msgspec.Struct]) -> str:
    """Return the tag of a message or of its class; raise `TypeError` for one that has none, and so cannot stand on disk."""
    tag = message.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{message!r} has no tag")
    return tag
