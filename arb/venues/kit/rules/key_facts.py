"""A venue's report of a key."""

import msgspec

_NOT_REPORTED = "not reported"


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The rights and the owner of a key, as far as its venue reports them; None where it does not.

    `unknown`: rights whose names mean nothing here. `moves`: rights to move funds from the account other than by
    withdrawal. `account`: the venue's own id of the account that the key belongs to, a sub-account's own where it is
    one, and then `main_account` that of the account above it. `mode`: the account's mode by the venue's name; "" where
    the venue knows none, None for one that is not known here. `borrows`: the parts of the account that borrow
    automatically. `more`: further facts, as (name, text).
    """

    can_trade: bool | None
    can_withdraw: bool | None
    ip_bound: bool | None
    unknown: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    account: str | None = None
    main_account: str | None = None
    mode: str | None = ""
    borrows: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()

    def shown(self) -> tuple[tuple[str, str], ...]:
        whose = _NOT_REPORTED if self.account is None else self.account
        if self.main_account is not None:
            whose += f" (a sub-account of {self.main_account})"
        return (
            ("account", whose),
            *((("mode", self.mode),) if self.mode else ()),
            ("may trade", _answer(self.can_trade)),
            ("may withdraw", _answer(self.can_withdraw)),
            ("bound to addresses", _answer(self.ip_bound)),
            ("borrows", ", ".join(self.borrows) or "nothing"),
            *self.more,
        )

    def line(self) -> str:
        return ", ".join(f"{name}: {text}" for name, text in self.shown())


def _answer(known: bool | None) -> str:
    return _NOT_REPORTED if known is None else "yes" if known else "no"
