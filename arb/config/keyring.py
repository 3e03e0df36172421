"""The system's keyring: Keychain, Secret Service or KWallet, by the package `keyring`.

A machine without a desktop has none, and says so in one line. One that keeps what it holds in the clear is not used: that is
what `.env` is for, whose rights are checked.
"""

import importlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, TypeVar

from arb.errors import ConfigError
from arb.masking import SECRETS, clean

SERVICE = "arb"
"""Under which name the entries stand."""
SAFE_PRIORITY = 1
"""By `keyring`'s own scale: what has less keeps secrets in the clear, or none at all."""

T = TypeVar("T")


class Backend(Protocol):
    """What the package makes of one system's keyring."""

    priority: float

    def get_password(self, service: str, username: str) -> str | None:
        """Return what is kept, None where nothing is."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a text."""

    def delete_password(self, service: str, username: str) -> None:
        """Forget it."""


def best_backend() -> Backend:
    """Return the keyring that the system offers; raises whatever keeps it from being found."""
    core = importlib.import_module("keyring.core")  # late: it looks for all backends there are
    core.init_backend(core.recommended)
    backend: Backend = core.get_keyring()
    return backend


class SystemKeyring:
    """The keyring that the system unlocks for this user. It is looked for once, when first needed."""

    def __init__(self, find: Callable[[], Backend] = best_backend) -> None:
        self._find = find
        self._looked = False
        self._backend: Backend | None = None
        self._problem: str | None = None

    def problem(self) -> str | None:
        """Say why there is no keyring here, or None."""
        if not self._looked:
            self._looked = True
            try:
                backend = self._find()
                if float(backend.priority) < SAFE_PRIORITY:
                    self._problem = "this system has no keyring, as machines without a desktop have none"
                else:
                    self._backend = backend
            except Exception as error:  # a backend is somebody else's code
                self._problem = f"the keyring cannot be used: {_text(error)}"
        return self._problem

    def entries(self, names: Iterable[str]) -> dict[str, str]:
        """Return what is kept under these names, masked from now on; raises `ConfigError` where it cannot be asked."""
        found = {}
        for name in names:
            secret = self._asked(partial(_get, name))
            if secret:
                found[name] = secret
        SECRETS.hide(found.values())
        return found

    def put(self, name: str, secret: str) -> None:
        """Keep a secret under a name; raises `ConfigError` where that cannot be done."""
        self._asked(lambda backend: backend.set_password(SERVICE, name, secret))

    def remove(self, names: Iterable[str]) -> list[str]:
        """Forget what is kept under these names; return under which there was something. Raises as `put` does."""
        found = list(self.entries(names))
        for name in found:
            self._asked(partial(_delete, name))
        return found

    def _asked(self, ask: Callable[[Backend], T]) -> T:
        if (problem := self.problem()) is not None:
            raise ConfigError(f"keyring: {problem}: put the key into the environment or into .env (chmod 600)")
        assert self._backend is not None
        try:
            return ask(self._backend)
        except Exception as error:  # locked, refused by the user, or gone
            raise ConfigError(f"keyring: {_text(error)}: unlock it, or put the key elsewhere") from None


def _get(name: str, backend: Backend) -> str | None:
    return backend.get_password(SERVICE, name)


def _delete(name: str, backend: Backend) -> None:
    backend.delete_password(SERVICE, name)


def _text(error: Exception) -> str:
    return clean(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, 200)
