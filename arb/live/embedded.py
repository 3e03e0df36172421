"""The sandbox to trade on: our own child process, or one that already runs.

The child announces itself by one JSON line on its stdout. It ends when its stdin closes, so that it never outlives us. It
shares our stderr. From our environment it gets only the variables that a program needs to run, and none that may be a key.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Collection
from typing import Any

import aiohttp

from arb.errors import ConfigError, StoreError, VenueUnreachable

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
ASK_TIMEOUT_S = 10.0
PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_",
    "TZ",
    "TMPDIR",
    "PYTHON",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "DYLD_",
    "COVERAGE_",
)
"""The prefixes of the variables that the child gets: any other might hold a key, whose variable a user may name freely."""


class Sandbox:
    """A running sandbox; `announced` is its first line."""

    def __init__(self, announced: dict[str, Any], child: asyncio.subprocess.Process | None) -> None:
        self.announced = announced
        self._child = child

    @property
    def sandbox_id(self) -> str:
        return str(self.announced["sandbox_id"])

    @classmethod
    async def embedded(cls, seed: int | None, venues: Collection[str] = ()) -> "Sandbox":
        """Start a sandbox as a child process and wait for its first line; raises `StoreError` when none arrives.

        `venues`: those it simulates; none are its usual ones.
        """
        command = [sys.executable, "-m", "arb.sandbox", "--child", "--port", "0"]
        command += ["--venues", ",".join(venues)] if venues else []
        command += [] if seed is None else ["--seed", str(seed)]
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)},
        )
        assert child.stdout is not None
        try:
            line = await asyncio.wait_for(child.stdout.readline(), START_TIMEOUT_S)
            return cls(json.loads(line), child)
        except (TimeoutError, ValueError):
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.communicate()
            raise StoreError("the embedded sandbox did not start: see its message above") from None

    @classmethod
    async def running(cls, admin_url: str) -> "Sandbox":
        """Ask a running sandbox for its first line; raises `ConfigError` without an answer."""
        try:
            announced = await _get(f"{admin_url}/venues")
        except VenueUnreachable as error:
            raise ConfigError(
                f"--sandbox {admin_url}: no sandbox answers ({error}): start one with `arb sandbox`"
            ) from None
        return cls(announced, None)

    @classmethod
    @contextlib.asynccontextmanager
    async def reached(
        cls, admin_url: str | None, seed: int | None = None, venues: Collection[str] = ()
    ) -> AsyncIterator["Sandbox"]:
        """Yield the sandbox at `admin_url`, or for None one of our own with `venues`, which ends with the block."""
        sandbox = await (cls.embedded(seed, venues) if admin_url is None else cls.running(admin_url))
        try:
            yield sandbox
        finally:
            await sandbox.close()

    async def ceiling_net(self) -> dict[str, str]:
        """Return the earnings so far of a trader with perfect foresight and no latency; empty when the sandbox is gone."""
        try:
            answer = await _get(f"{self.announced['admin']}/ceiling")
        except VenueUnreachable:
            return {}
        ceiling = answer.get("ceiling_net", {})
        return {str(asset): str(amount) for asset, amount in ceiling.items()}

    async def watch(self) -> None:
        """Wait for an embedded sandbox to end by itself, and raise `StoreError` when it does; for a running one return."""
        if self._child is not None:
            code = await self._child.wait()
            raise StoreError(f"the embedded sandbox ended by itself, with code {code}: there is no venue to trade at")

    async def close(self) -> None:
        """Let the child end; one that does not is killed."""
        if self._child is None:
            return
        if self._child.stdin is not None:
            self._child.stdin.close()
        try:
            await asyncio.wait_for(self._child.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()
            await self._child.wait()


async def _get(url: str) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise VenueUnreachable("sandbox", f"GET {url}: HTTP {answer.status}")
            document = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise VenueUnreachable("sandbox", f"GET {url}: {error or type(error).__name__}") from None
    if not isinstance(document, dict):
        raise VenueUnreachable("sandbox", f"GET {url}: no JSON object")
    return document
