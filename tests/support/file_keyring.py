"""Keyrings for `PYTHON_KEYRING_BACKEND`: one that keeps what it is given in a file, for processes of tests; some that fail."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

FILE = "ARB_TEST_KEYRING"
"""The variable that names the file."""


class FileKeyring(KeyringBackend):
    """Stands for a keyring that the user has unlocked."""

    priority = 5.0

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._write(self._entries() | {f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        del entries[f"{service}/{username}"]
        self._write(entries)

    def _entries(self) -> dict[str, str]:
        path = Path(os.environ[FILE])
        entries: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return entries

    def _write(self, entries: dict[str, str]) -> None:
        Path(os.environ[FILE]).write_text(json.dumps(entries))


class FullKeyring(FileKeyring):
    """Takes one entry and no more."""

    def set_password(self, service: str, username: str, password: str) -> None:
        if self._entries():
            raise RuntimeError(f"no room for {password}")
        super().set_password(service, username, password)


class LockedKeyring(FileKeyring):
    """Is there, and cannot be read."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("the user did not unlock it")


class ClearKeyring(FileKeyring):
    """Keeps what it is given in the clear, and says so."""

    priority = 0.5
