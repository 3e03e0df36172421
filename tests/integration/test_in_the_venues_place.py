"""Addresses on this machine: a sandbox only where a sandbox says so behind all of them, and else real venues by a tunnel."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from arb.app.live import sandbox_behind
from arb.config import load_settings
from arb.live.embedded import Sandbox
from tests.integration.live_mode import CONSENTS, keys_of, live_config
from tests.integration.support import arb, end_of, sandbox_process, where

Told = dict[str, Any]


def elsewhere(told: Told, venue: str, target: str) -> Told:
    """Return the addresses with those of one venue led elsewhere, by host and port."""
    own = told["admin"].split("/")[2]
    moved = json.loads(json.dumps(told["venues"][venue]).replace(own, target))
    return told | {"venues": told["venues"] | {venue: moved}}


def behind(config: Path) -> Sandbox | None:
    """Return the sandbox that is found behind the addresses of these settings."""
    settings = load_settings(config)
    return asyncio.run(sandbox_behind([settings.venues.site(venue) for venue in settings.venues.enabled()]))


def test_an_address_behind_which_no_sandbox_answers_counts_as_the_real_venue(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox, sandbox_process(tmp_path) as other:
        told = sandbox.announced
        config = live_config(tmp_path, told)
        found = behind(config)
        assert found is not None and found.sandbox_id == told["sandbox_id"]
        # One venue at its own address: it is a real one, whatever the others are.
        config.write_text(config.read_text().partition("[venues.bitget.endpoints]")[0])
        assert behind(config) is None
        for target in ("127.0.0.1:9", other.admin.split("/")[2]):
            assert behind(live_config(tmp_path, elsewhere(told, "okx", target))) is None
        run = ("run", "--json", *CONSENTS, *where(tmp_path), "--for", "1s")
        ended = end_of(arb(*run, cwd=tmp_path, variables=keys_of(told)))
    assert json.loads(ended.out)["environment"] == "production", ended


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
        assert await sandbox_behind([settings.venues.site("okx")]) is None
        await runner.cleanup()

    asyncio.run(ask())
