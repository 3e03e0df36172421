"""What venues are recorded and documented to answer about keys, accounts and fees is read, or refused for cause."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.errors import VenueAuthError
from arb.market.instrument import FeeIn
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.dialect import Fees, KeyFacts
from arb.venues.kit.rules.key_rights import KeyPolicy, refusals
from arb.venues.kit.rules.outcome import VenueReply, decode_body, judge_read
from arb.venues.okx.dialect import OkxDialect
from arb.venues.transport.http import HttpAnswer
from tests.builders import read_whole
from tests.conftest import REPO

FOLDER = REPO.parent / "shared" / "data" / "answers"
KEYS = [{"key": "a*b", "state": 1, "perms": [{"name": "spot", "read_only": False}]}]
DETAIL = {"user_id": 1, "ip_whitelist": ["1.2.3.4"], "currency_pairs": [], "key": {"mode": 1}}
CLASSIC = {"mode": "classic"}
TWO = ("BTC/USDT", "ETH/USDT")


def answers(venue: str, *paths: str) -> list[Path]:
    """Return the files of these endpoints; without the folder a name that is skipped."""
    found = [file for path in paths for file in sorted((FOLDER / venue / "rest").glob(f"*{path}--*.json"))]
    return found or [Path(f"absent-{venue}-{paths[0]}")]


def body_of(file: Path) -> Any:
    if not file.is_file():
        pytest.skip("../shared/data/answers is not there")
    return decode_body(json.loads(file.read_text(encoding="utf-8"))["raw"].encode())


def named(file: Path) -> str:
    return file.stem


@pytest.mark.parametrize("file", answers("gate", "get-account-detail"), ids=named)
def test_gates_account_details(file: Path) -> None:
    facts = GateDialect().key_facts((KEYS, body_of(file), CLASSIC))
    assert facts.account in ("1667201533", "10406147") and facts.mode == "classic"
    assert facts.ip_bound is (facts.account == "1667201533")


@pytest.mark.parametrize("file", answers("gate", "get-account-main_keys"), ids=named)
def test_gates_keys(file: Path) -> None:
    facts = GateDialect("52fd0035f66512345").key_facts((body_of(file), DETAIL, CLASSIC))
    assert (facts.can_trade, facts.can_withdraw, facts.mode) == (True, None, "classic")


@pytest.mark.parametrize("file", answers("gate", "get-unified-unified_mode"), ids=named)
def test_gates_unified_modes(file: Path) -> None:
    dialect = GateDialect()
    facts = dialect.key_facts((KEYS, DETAIL, body_of(file)))
    assert (facts.mode, bool(facts.borrows)) == ("unified, portfolio margin", True)
    assert dialect.balances().api == ("private", "unified")


@pytest.mark.parametrize("file", answers("gate", "get-unified-accounts"), ids=named)
def test_gates_unified_balances(file: Path) -> None:
    dialect = GateDialect()
    dialect.key_facts((KEYS, DETAIL, {"mode": "single_currency"}))
    found = dialect.balances_in(body_of(file))
    assert {asset: held.free for asset, held in found.items()} == {
        "ETH": Decimal(0),
        "POINT": Decimal("9999999999.017023138734"),
        "USDT": Decimal("0.00000062023"),
    }


@pytest.mark.parametrize("file", answers("gate", "get-spot-accounts"), ids=named)
def test_gates_classic_balances(file: Path) -> None:
    assert GateDialect().balances_in(body_of(file))["ETH"].free == Decimal("968.8")


@pytest.mark.parametrize("file", answers("gate", "get-wallet-fee", "get-spot-fee"), ids=named)
def test_gates_fees(file: Path) -> None:
    fees = GateDialect().fees_in(body_of(file))
    assert (fees.taker, fees.maker) == (Decimal("0.002"), Decimal("0.002"))


@pytest.mark.parametrize("file", answers("gate", "get-spot-batch_fee"), ids=named)
def test_gates_lists_of_fees(file: Path) -> None:
    found = GateDialect().fees_listed(body_of(file), TWO)
    assert {symbol: fees.taker for symbol, fees in found.items()} == dict.fromkeys(TWO, Decimal("0.002"))


@pytest.mark.parametrize("file", answers("okx", "get-account-config"), ids=named)
def test_okxs_configurations_are_all_of_keys_that_may_withdraw(file: Path) -> None:
    facts = OkxDialect().key_facts((body_of(file),))
    assert facts.mode in ("futures", "multi-currency margin", "spot") and facts.account == "44705892343619584"
    assert bool(facts.borrows) is (facts.mode == "multi-currency margin")
    assert refusals("okx", facts, KeyPolicy())[0][0] == "key_withdraws"


@pytest.mark.parametrize("file", answers("okx", "get-account-instruments"), ids=named)
def test_okxs_listing_for_an_account(file: Path) -> None:
    dialect = OkxDialect(has_key=True)
    assert (dialect.listing().api, dialect.listing().path) == (("private",), "account/instruments")
    [instrument] = read_whole(dialect.listed(body_of(file))).values()
    assert (instrument.symbol, instrument.tradable, len(instrument.changes_ns)) == ("BTC/EUR", True, 1)


@pytest.mark.parametrize("file", answers("okx", "get-account-trade-fee"), ids=named)
def test_okxs_fees(file: Path) -> None:
    body = body_of(file)
    expected = Fees(Decimal("0.001"), Decimal("0.0008"), FeeIn.BASE)
    assert OkxDialect().fees_in(body) == expected
    listed = OkxDialect().fees_listed(body, ("BTC/USDT", "BTC/USDC"))
    assert listed == ({} if "feeGroup" in body["data"][0] else {"BTC/USDT": expected})


@pytest.mark.parametrize("file", answers("bitget", "get-v2-common-trade-rate"), ids=named)
def test_bitgets_fees(file: Path) -> None:
    fees = BitgetDialect().fees_in(body_of(file))
    assert (fees.taker, fees.maker) == (Decimal("0.0006"), Decimal("0.0002"))


@pytest.mark.parametrize("file", answers("bitget", "get-v2-common-all-trade-rate"), ids=named)
def test_bitgets_lists_of_fees(file: Path) -> None:
    found = BitgetDialect().fees_listed(body_of(file), TWO)
    assert {symbol: fees.taker for symbol, fees in found.items()} == dict.fromkeys(TWO, Decimal("0.0004"))


@pytest.mark.parametrize("file", answers("bitget", "get-v2-spot-account-info"), ids=named)
def test_bitgets_refusal_of_another_address_is_its_own(file: Path) -> None:
    raw = json.dumps(body_of(file)).encode()
    verdict = judge_read(BitgetDialect.policy, HttpAnswer(400, {}, raw, 0, 0), 0)
    assert (verdict.code, str(verdict.trouble)) == ("40018", "auth")


# -- rules that no recorded answer shows -------------------------------------------------------------------------------


def gate_facts(detail: dict[str, Any] | None = None, *, unified: Any = None, keys: Any = None) -> KeyFacts:
    return GateDialect("ab").key_facts((KEYS if keys is None else keys, DETAIL | (detail or {}), unified or CLASSIC))


@pytest.mark.parametrize("code", ["FORBIDDEN", "READ_ONLY"])
def test_a_gate_key_that_may_not_ask_whose_it_is_is_refused_with_the_permission_to_tick(code: str) -> None:
    refused = VenueReply(code, "no permission")
    with pytest.raises(VenueAuthError, match="'Account', for reading only"):
        GateDialect().key_facts((KEYS, refused, CLASSIC))
    with pytest.raises(VenueAuthError, match="'Unified account', for reading only"):
        GateDialect().key_facts((KEYS, DETAIL, refused))


@pytest.mark.parametrize("code", ["USER_NOT_FOUND", "NOT_FOUND"])
def test_an_account_that_was_never_made_a_unified_one_is_classic(code: str) -> None:
    assert gate_facts(unified=VenueReply(code, "")).mode == "classic"


def test_a_gate_sub_accounts_rights_are_not_reported() -> None:
    facts = gate_facts(keys=VenueReply("FORBIDDEN", ""))
    assert (facts.can_trade, facts.can_withdraw, facts.account) == (None, None, "1")
    assert [code for code, _ in refusals("gate", facts, KeyPolicy())] == ["key_withdrawal_unconfirmed"]


@pytest.mark.parametrize(("mode", "unified"), [(3, CLASSIC), (1, {"mode": "tomorrow"})])
def test_a_gate_mode_that_nobody_here_knows_is_no_mode(mode: int, unified: Any) -> None:
    assert gate_facts({"key": {"mode": mode}}, unified=unified).mode is None


def test_a_locked_gate_key_is_refused_and_one_of_several_that_may_be_ours_is_not() -> None:
    locked = [KEYS[0] | {"state": 2}]
    with pytest.raises(VenueAuthError, match="locked or frozen"):
        gate_facts(keys=locked)
    assert gate_facts(keys=[*locked, *KEYS]).can_trade


def test_what_is_owed_in_a_unified_account_is_not_free() -> None:
    dialect = GateDialect()
    dialect.key_facts((KEYS, DETAIL, {"mode": "portfolio"}))
    [held] = dialect.balances_in({"balances": {"BTC": {"available": "-0.5", "freeze": "0.1"}}}).values()
    assert (held.free, held.locked) == (Decimal(0), Decimal("0.1"))


def okx_config(**changes: Any) -> dict[str, Any]:
    usual = {"acctLv": "1", "autoLoan": False, "enableSpotBorrow": False, "feeType": "0", "uid": "5", "mainUid": "5"}
    return {"code": "0", "data": [usual | {"perm": "read_only,trade", "ip": "1.2.3.4"} | changes]}


@pytest.mark.parametrize(
    ("changes", "borrows"),
    [
        ({}, ()),
        ({"autoLoan": True}, ()),  # "Only applicable to Multi-currency margin and Portfolio margin"
        ({"enableSpotBorrow": True}, ("enableSpotBorrow",)),
        ({"acctLv": "2", "enableSpotBorrow": True}, ()),
        ({"acctLv": "3"}, ("mode multi-currency margin",)),
        ({"acctLv": "4", "autoLoan": "true"}, ("mode portfolio margin", "autoLoan")),
    ],
)
def test_what_borrows_at_okx_goes_by_the_accounts_mode(changes: dict[str, Any], borrows: tuple[str, ...]) -> None:
    assert OkxDialect().key_facts((okx_config(**changes),)).borrows == borrows


@pytest.mark.parametrize("level", ["5", "", None])
def test_an_okx_mode_that_nobody_here_knows_is_refused(level: str | None) -> None:
    facts = OkxDialect().key_facts((okx_config(acctLv=level),))
    assert [code for code, _ in refusals("okx", facts, KeyPolicy())] == ["key_mode_unknown"]


@pytest.mark.parametrize(("kind", "expected"), [("0", FeeIn.BASE), ("1", FeeIn.QUOTE), ("9", None), (None, None)])
def test_okxs_fee_type_counts_more_than_any_fill_and_an_unknown_one_does_not(kind: Any, expected: FeeIn | None) -> None:
    dialect = OkxDialect()
    dialect.key_facts((okx_config(feeType=kind),))
    fees = dialect.fees_in({"code": "0", "data": [{"taker": "-0.001", "maker": "-0.0008"}]})
    assert (fees.buy_fee_in, fees.reported) == (expected or FeeIn.BASE, expected is not None)


RATES = {"taker": "-0.001", "maker": "-0.0008"}
OLDER = RATES | {
    "takerUSDC": "-0.0005",
    "makerUSDC": "0.0001",
    "fiat": [{"ccy": "EUR", "taker": "-0.002", "maker": "-0.002"}],
}


def test_an_okx_answer_without_groups_has_rates_by_the_quote_and_none_is_guessed() -> None:
    symbols = ("BTC/USDT", "BTC/USDC", "BTC/EUR")
    found = OkxDialect().fees_listed({"code": "0", "data": [OLDER]}, symbols)
    assert {symbol: (str(fees.taker), str(fees.maker)) for symbol, fees in found.items()} == {
        "BTC/USDT": ("0.001", "0.0008"),
        "BTC/USDC": ("0.0005", "-0.0001"),
        "BTC/EUR": ("0.002", "0.002"),
    }
    assert set(OkxDialect().fees_listed({"code": "0", "data": [RATES]}, symbols)) == {"BTC/USDT"}


def test_groups_of_which_none_is_the_instruments_are_not_guessed_among() -> None:
    groups = [RATES | {"groupId": "1"}, RATES | {"groupId": "2"}]
    body = {"code": "0", "data": [RATES | {"feeGroup": groups}]}
    assert OkxDialect().fees_listed(body, ("BTC/USDT",)) == {}
    with pytest.raises(Exception, match="2 groups for one instrument"):
        OkxDialect().fees_in(body)


READS = [
    "coor",
    "cpor",
    "stor",
    "smor",
    "ttor",
    "wtor",
    "taxr",
    "chor",
    "p2pr",
    "pllr",
    "readonly",
    "coow",
    "cpow",
    "smow",
    "ttow",
    "taxw",
]


@pytest.mark.parametrize("word", READS)
def test_a_documented_bitget_right_that_moves_nothing_is_no_reason_to_refuse(word: str) -> None:
    facts = bitget_facts("stow", word)
    assert (facts.can_trade, facts.can_withdraw, facts.moves, facts.unknown) == (True, None, (), ())


@pytest.mark.parametrize("word", ["wtow", "chow", "p2p", "p2pw", "pllw"])
def test_a_bitget_right_that_moves_funds_is(word: str) -> None:
    assert bitget_facts("stow", word).moves == (word,)


def test_the_documented_example_of_bitget_rights_trades() -> None:
    facts = bitget_facts("trade", "readonly")
    assert (facts.can_trade, facts.can_withdraw, facts.unknown) == (True, None, ())


def bitget_facts(*words: str) -> KeyFacts:
    data = {"userId": "5", "parentId": "5", "ips": "1.2.3.4", "authorities": list(words)}
    return BitgetDialect().key_facts(({"code": "00000", "data": data},))
