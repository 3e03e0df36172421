"""Addresses on this machine: a sandbox only where a sandbox says so behind all of them, and else real venues by a tunnel."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from arb.app.live import sandbox_behind
from arb.config import load_settings
from arb.errors import ConfigError
from arb.live.embedded import Sandbox
from tests.integration.live_mode import CONSENTS, keys_of, live_config
from tests.integration.support import VENUES, arb, end_of, sandbox_process

Told = dict[str, Any]
NOBODY = "127.0.0.1:9"
"""An address at which nobody answers."""


def elsewhere(told: Told, venue: str, target: str) -> Told:
    """Return the addresses with those of one venue led elsewhere, by host and port."""
    own = told["admin"].split("/")[2]
    moved = json.loads(json.dumps(told["venues"][venue]).replace(own, target))
    return told | {"venues": told["venues"] | {venue: moved}}


def behind(config: Path) -> Sandbox | None:
    """Return the sandbox that is found behind the addresses of these settings."""
    settings = load_settings(config)
    return asyncio.run(sandbox_behind({venue: settings.venues.site(venue) for venue in settings.venues.enabled()}))


def test_a_sandbox_stands_for_the_venues_only_where_it_answers_behind_all_their_addresses(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        told = sandbox.announced
        found = behind(live_config(tmp_path, told))
        assert found is not None and found.sandbox_id == told["sandbox_id"]
        for venue in VENUES:
            told = elsewhere(told, venue, NOBODY)
        assert behind(live_config(tmp_path, told)) is None, "a tunnel to a real venue looks no different"


@pytest.mark.thorough
def test_a_sandbox_beside_real_venues_or_another_sandbox_ends_the_start_before_an_order(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox, sandbox_process(tmp_path) as other:
        told, keys = sandbox.announced, keys_of(sandbox.announced)
        for name in ("nobody", "another", "real"):
            (tmp_path / name).mkdir()
        mixes = {
            target: live_config(tmp_path / name, elsewhere(told, "okx", target))
            for name, target in (("nobody", NOBODY), ("another", other.admin.split("/")[2]))
        }
        # One venue at its own address: there it is real money.
        real = mixes["www.okx.com"] = live_config(tmp_path / "real", told)
        text = real.read_text()
        at = text.index("[venues.okx.endpoints]")
        real.write_text(text[:at] + text[text.index("[venues.bitget.endpoints]", at) :])
        for target, config in mixes.items():
            with pytest.raises(ConfigError, match=f"okx at {re.escape(target)}"):
                behind(config)
            for command in (("run", *CONSENTS, "--for", "1s"), ("doctor",), ("doctor", "--drill", "--live", "--yes")):
                ended = end_of(arb(*command, "--config", str(config), cwd=config.parent, variables=keys))
                assert (ended.code, ended.out) == (2, ""), ended
                assert "cannot be sold for money: lead all enabled venues to one sandbox" in ended.err
                assert ended.err.count("\n") == 1, "one line"
        for one in (sandbox, other):
            assert not [request for books in one.ledger().values() for request in books["requests"]], (
                "nothing was asked"
            )


@pytest.mark.parametrize("answer", ["{}", "[]", "<html>", '{"sandbox_id": ""}', '{"sandbox_id": null}'])
def test_what_answers_otherwise_is_no_sandbox(tmp_path: Path, answer: str) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(text=answer, content_type="application/json")

    async def ask() -> None:
        app = web.Application()
        app.router.add_get("/{any:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"127.0.0.1:{runner.addresses[0][1]}"
        told = {
            "venues": {
                "okx": {"rest": f"http://{base}", "ws_public": f"ws://{base}/ws/p", "ws_private": f"ws://{base}/ws/q"}
            }
        }
        settings = load_settings(live_config(tmp_path, told))
        assert await sandbox_behind({"okx": settings.venues.site("okx")}) is None
        await runner.cleanup()

    asyncio.run(ask())
