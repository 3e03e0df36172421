"""What the classes of events, commands and rows, and their fields, are called on disk.

A class may be renamed at any time; its tag never, for every journal and tape written so far holds it. The same goes for fields,
whose names on disk are the ledger's columns, too (docs/decisions/0002-frozen-names-on-disk.md).
"""

import msgspec


def tag_of(message: msgspec.Struct | type[msgspec.Struct]) -> str:
    """Return the tag of a message or of its class; raise `TypeError` for one that has none, and so cannot stand on disk."""
    tag = message.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{message!r} has no tag")
    return tag


def attributes_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the attributes of a class by the names of its fields on disk, in their order."""
    return dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
