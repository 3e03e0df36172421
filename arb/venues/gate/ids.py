"""Gate's `text` field: our client order id behind the prefix `t-` (Gate APIv4, "Create an order", field `text`).

After the prefix Gate takes 1 to 28 bytes of `0-9 A-Z a-z _ - .`. Any other text of an order (`apiv4`, `web`,
`app`...) names the source of an order that was placed without one.
"""

import re

PREFIX = "t-"
MAX_ID_LENGTH = 28
_LEGAL = re.compile(rf"[0-9A-Za-z_.-]{{1,{MAX_ID_LENGTH}}}")


def to_text(client_order_id: str) -> str:
    """Return the `text` to send: the prefix exactly once. Raise `ValueError` when Gate would refuse the id."""
    bare = client_order_id.removeprefix(PREFIX)
    if not _LEGAL.fullmatch(bare):
        legal = f"1 to {MAX_ID_LENGTH} of 0-9 A-Z a-z _ - ."
        raise ValueError(f"client order id {client_order_id!r}: after {PREFIX!r} Gate takes {legal}")
    return PREFIX + bare


def from_text(text: str | None) -> str | None:
    """Return the client order id inside a `text`, or None when the order carries none."""
    if text is None or not text.startswith(PREFIX):
        return None
    return text.removeprefix(PREFIX)
