"""The sandbox to trade on: a child of our own, or one that runs already."""

import asyncio
from pathlib import Path

import pytest

from arb.errors import ConfigError, StoreError
from arb.live.embedded import Sandbox


def test_where_no_sandbox_answers_the_user_is_told_how_to_start_one() -> None:
    with pytest.raises(ConfigError, match="start one with `arb sandbox`"):
        asyncio.run(Sandbox.running("http://127.0.0.1:1/admin"))


def test_a_child_that_does_not_come_up_is_an_error() -> None:
    with pytest.raises(StoreError, match="did not start"):
        asyncio.run(Sandbox.embedded(-1))


def test_a_child_announces_itself_answers_others_and_ends_with_us() -> None:
    async def work() -> None:
        sandbox = await Sandbox.embedded(3)
        try:
            assert {"gate", "okx", "bitget"} <= set(sandbox.announced["venues"])
            again = await Sandbox.running(sandbox.announced["admin"])
            assert again.announced == sandbox.announced
            assert again.sandbox_id == sandbox.sandbox_id
            assert isinstance(await sandbox.ceiling_net(), dict)
            with pytest.raises(ConfigError):
                await Sandbox.running(sandbox.announced["admin"] + "/nowhere")
        finally:
            await sandbox.close()
        assert await again.ceiling_net() == {}, "the sandbox is gone"
        await again.close()

    asyncio.run(work())


def test_the_child_gets_no_variable_that_may_hold_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OKX_API_SECRET", "hunter22-hunter22")
    monkeypatch.setenv("MY_OWN_NAME_FOR_IT", "hunter22-hunter22")

    async def work() -> str:
        sandbox = await Sandbox.embedded(3)
        try:
            child = sandbox._child
            assert child is not None
            return await asyncio.to_thread(Path(f"/proc/{child.pid}/environ").read_text)
        finally:
            await sandbox.close()

    if not Path("/proc/self/environ").exists():
        pytest.skip("this system does not show a process's environment")
    environment = asyncio.run(work())
    assert "PATH=" in environment
    assert "hunter22" not in environment
