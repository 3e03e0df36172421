"""The file of paper accounts: durable before it is answered, and the same accounts after a restart."""

import asyncio
import random
import stat
from pathlib import Path

import pytest

from arb.errors import ConfigError, StoreError
from arb.store.journal.account_file import AccountFile


def opened(folder: Path, seed: int = 1, environment: str = "production") -> AccountFile:
    return AccountFile(folder / "a.journal.sqlite", random.Random(seed), environment)


def test_what_was_written_is_there_after_a_restart_by_the_same_name(tmp_path: Path) -> None:
    first = opened(tmp_path)
    asyncio.run(first.write("gate", {"balance USDT": "5", "order a": "x"}))
    asyncio.run(first.write("gate", {"balance USDT": "6", "order a": None}))
    asyncio.run(first.write("okx", {"balance USDT": "7"}))
    first.close()
    again = opened(tmp_path, seed=2)
    assert again.path == tmp_path / "a.account.sqlite"
    assert (again.token, again.read("gate"), again.read("okx")) == (
        first.token,
        {"balance USDT": "6"},
        {"balance USDT": "7"},
    )
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o600
    again.close()


@pytest.mark.parametrize(("first", "then"), [("production", "demo"), ("demo", "production"), ("sandbox", "demo")])
def test_accounts_of_one_environment_are_refused_in_another(tmp_path: Path, first: str, then: str) -> None:
    opened(tmp_path, environment=first).close()
    with pytest.raises(
        ConfigError, match=f"they are of {first} venues, and this run's are {then}.*choose another --db"
    ):
        opened(tmp_path, environment=then)
    opened(tmp_path, environment=first).close()


def test_writes_take_effect_in_their_order_and_all_of_one_or_nothing(tmp_path: Path) -> None:
    file = opened(tmp_path)

    async def story() -> None:
        await asyncio.gather(*(file.write("gate", {"balance USDT": str(n)}) for n in range(50)))
        assert file.read("gate") == {"balance USDT": "49"}
        with pytest.raises(StoreError):
            await file.write("gate", {"balance USDT": "50", "bad": 1j})  # type: ignore[dict-item]
        assert file.read("gate") == {"balance USDT": "49"}

    asyncio.run(story())
    file.close()


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.account.sqlite").write_bytes(b"no database, and long enough to be read as the head of one" * 40)
    with pytest.raises(ConfigError, match=r"a\.account\.sqlite.*another --db"):
        opened(tmp_path)
