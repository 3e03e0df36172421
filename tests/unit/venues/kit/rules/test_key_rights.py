"""What speaks against a key: rights that no setting excuses, choices that one does, and what has to be confirmed."""

import hypothesis.strategies as st
from hypothesis import given

from arb.venues.kit.dialect import KeyFacts
from arb.venues.kit.rules.key_rights import KeyPolicy, refusals

GOOD = KeyFacts(can_trade=True, can_withdraw=False, ip_bound=True, account="7", mode="spot")
NONE = KeyPolicy()
ALL = KeyPolicy(withdrawal_disabled_confirmed=True, unbound_key_allowed=True, borrowing_allowed=True)
THREE = st.sampled_from((True, False, None))
WORDS = st.lists(st.sampled_from(("wtow", "zzzz")), max_size=2).map(tuple)
FACTS = st.builds(
    KeyFacts,
    can_trade=THREE,
    can_withdraw=THREE,
    ip_bound=THREE,
    unknown=WORDS,
    moves=WORDS,
    mode=st.sampled_from(("", "spot", None)),
    borrows=WORDS,
)
POLICIES = st.builds(KeyPolicy, *(), **dict.fromkeys(KeyPolicy.__struct_fields__, st.booleans()))


def codes(facts: KeyFacts, policy: KeyPolicy = NONE) -> list[str]:
    return [code for code, _ in refusals("okx", facts, policy)]


@given(FACTS, POLICIES)
def test_each_reason_is_named_once_and_only_where_it_holds(facts: KeyFacts, policy: KeyPolicy) -> None:
    expected = {
        "key_withdraws": facts.can_withdraw is True,
        "key_moves_funds": bool(facts.moves),
        "key_rights_unknown": bool(facts.unknown),
        "key_read_only": facts.can_trade is False,
        "key_mode_unknown": facts.mode is None,
        "key_borrows": bool(facts.borrows) and not policy.borrowing_allowed,
        "key_unbound": facts.ip_bound is False and not policy.unbound_key_allowed,
        "key_withdrawal_unconfirmed": facts.can_withdraw is None and not policy.withdrawal_disabled_confirmed,
    }
    assert codes(facts, policy) == [code for code, holds in expected.items() if holds]


@given(FACTS)
def test_no_setting_excuses_what_the_venue_reports_of_its_rights(facts: KeyFacts) -> None:
    grave = {"key_withdraws", "key_moves_funds", "key_rights_unknown", "key_read_only", "key_mode_unknown"}
    assert grave.intersection(codes(facts, ALL)) == grave.intersection(codes(facts, NONE))


@given(FACTS)
def test_every_refusal_says_in_one_line_what_to_do(facts: KeyFacts) -> None:
    for code, text in refusals("okx", facts, NONE):
        assert "\n" not in text and text.count(":") >= (0 if code == "key_read_only" else 1)


def test_a_key_that_trades_and_nothing_else_needs_no_setting() -> None:
    assert codes(GOOD) == []


def test_the_facts_are_shown_with_whose_the_key_is_first() -> None:
    facts = KeyFacts(
        can_trade=True,
        can_withdraw=None,
        ip_bound=False,
        account="7",
        main_account="44",
        mode="spot",
        borrows=("enableSpotBorrow",),
        more=(("fee level", "Lv1"),),
    )
    assert facts.line() == (
        "account: 7 (a sub-account of 44), mode: spot, may trade: yes, may withdraw: not reported, bound to addresses: no, "
        "borrows: enableSpotBorrow, fee level: Lv1"
    )
