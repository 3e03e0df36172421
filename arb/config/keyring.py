"""The system's keyring: Keychain, Secret Service or KWallet, by the package `keyring`.

A machine without a desktop has none; one line reports that. A keyring that stores secrets in the clear is not used:
`.env` does that too, with checked permissions.
"""

import importlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, TypeVar

from arb.errors import ConfigError
from arb.masking import SECRETS, clean

SERVICE = "arb"
"""The service name of the entries."""
SAFE_PRIORITY = 1
"""By `keyring`'s own scale: a lower priority keeps secrets in the clear, or none at all."""

T = TypeVar("T")


class Backend(Protocol):
    """The part of the package `keyring` that is used here."""

    priority: float

    def get_password(self, service: str, username: str) -> str | None:
        """Return the text, None where there is none."""

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


def best_backend() -> Backend:
    """Return the system's keyring; raises any error of the package."""
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
        """Return the entries under these names, masked from now on; raises `ConfigError` where it cannot be asked."""
        found = {}
        for name in names:
            secret = self._asked(partial(_get, name))
            if secret:
                found[name] = secret
        SECRETS.hide(found.values())
        return found

    def put(self, name: str, secret: str) -> None:
        """Raises `ConfigError` where the keyring refuses."""
        self._asked(lambda backend: backend.set_password(SERVICE, name, secret))

    def remove(self, names: Iterable[str]) -> list[str]:
        """Delete the entries under these names; return the names that had one. Raises as `put` does."""
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
