"""Blocks: what keeps something from opening, at which place, in which name, until when; and which of several is the answer."""

from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.reasons import Reason
from arb.core.state.blocks import Block, Blocks, Source

GATE, OKX = ("", "gate", "gate-uid-1"), ("", "okx", "okx-uid-2")
BTC, ETH = "BTC/USDT", "ETH/USDT"
JUST_NOW, NOW = 99, 100


def held(*blocks: Block) -> Blocks:
    found = Blocks()
    for block in blocks:
        found.put(block)
    return found


def test_where_nothing_is_put_nothing_is_blocked() -> None:
    assert Blocks().first(GATE, BTC, NOW) is None


def test_a_block_everywhere_blocks_every_symbol_at_every_venue() -> None:
    block = Block(Source.LEDGER, text="disk full")
    assert held(block).first(GATE, BTC, NOW) == held(block).first(OKX, ETH, NOW) == block


def test_a_block_at_a_venue_blocks_nothing_elsewhere() -> None:
    blocks = held(Block(Source.LEDGER, at="gate"))
    assert blocks.first(GATE, ETH, NOW) and not blocks.first(OKX, ETH, NOW)


def test_a_block_of_an_account_blocks_at_its_venue() -> None:
    blocks = held(Block(Source.LEDGER, at="okx-uid-2"))
    assert blocks.first(OKX, BTC, NOW) and not blocks.first(GATE, BTC, NOW)


def test_a_block_of_an_instrument_blocks_that_symbol_there_alone() -> None:
    blocks = held(Block(Source.LEDGER, at="gate", name=BTC))
    found = [bool(blocks.first(places, symbol, NOW)) for places in (GATE, OKX) for symbol in (BTC, ETH)]
    assert found == [True, False, False, False]


def test_a_block_of_a_symbol_blocks_it_at_all_venues() -> None:
    blocks = held(Block(Source.LEDGER, name=BTC))
    assert blocks.first(GATE, BTC, NOW) and blocks.first(OKX, BTC, NOW) and not blocks.first(OKX, ETH, NOW)


def test_a_block_of_an_asset_blocks_every_symbol_with_it_there() -> None:
    blocks = held(Block(Source.LEDGER, at="gate", name="USDT"))
    assert blocks.first(GATE, BTC, NOW) and blocks.first(GATE, ETH, NOW) and not blocks.first(OKX, BTC, NOW)


def test_a_block_with_an_end_is_over_then_and_not_a_moment_before() -> None:
    blocks = held(Block(Source.LEDGER, until_ns=NOW))
    assert blocks.first(GATE, BTC, JUST_NOW) and not blocks.first(GATE, BTC, NOW)


def test_only_its_source_can_lift_a_block() -> None:
    blocks = held(Block(Source.LEDGER), Block(Source.JOURNAL))
    blocks.lift(Source.LEDGER)
    assert blocks.first(GATE, BTC, NOW) == Block(Source.JOURNAL)


def test_a_source_that_puts_again_under_the_same_key_replaces_its_block() -> None:
    blocks = held(Block(Source.LEDGER, text="locked"), Block(Source.LEDGER, text="disk full"))
    assert [block.text for block in blocks] == ["disk full"]
    blocks.lift(Source.LEDGER)
    assert not blocks.first(GATE, BTC, NOW)


def test_under_two_keys_the_place_stays_blocked_until_both_are_lifted() -> None:
    blocks = held(Block(Source.LEDGER, key="1"), Block(Source.LEDGER, key="2"))
    blocks.lift(Source.LEDGER, key="1")
    assert blocks.first(GATE, BTC, NOW)
    blocks.lift(Source.LEDGER, key="2")
    assert not blocks.first(GATE, BTC, NOW)


def test_sources_win_in_the_order_of_their_reasons() -> None:
    ranks = [source.reason.rank for source in Source]
    assert ranks == sorted(ranks)
    assert held(Block(Source.JOURNAL), Block(Source.LEDGER, at="okx")).first(OKX, BTC, NOW) == Block(
        Source.LEDGER, at="okx"
    )
    assert Source.LEDGER.reason is Reason.LEDGER_BLOCKED


BLOCKS = st.builds(
    Block,
    st.sampled_from(Source),
    st.sampled_from(["", "gate", "okx", "gate-uid-1"]),
    st.sampled_from(["", BTC, ETH, "BTC", "USDT"]),
    until_ns=st.none() | st.integers(NOW - 1, NOW + 1),
    key=st.sampled_from(["", "1"]),
)


@given(st.lists(st.tuples(st.booleans(), BLOCKS)))
def test_the_look_up_answers_as_a_search_through_a_plain_list(changes: list[tuple[bool, Block]]) -> None:
    blocks, plain = Blocks(), dict[tuple[Source, str, str, str], Block]()
    for put, block in changes:
        key = block.source, block.at, block.name, block.key
        if put:
            blocks.put(block)
            plain[key] = block
        else:
            blocks.lift(*key)
            plain.pop(key, None)
    assert sorted(map(repr, blocks)) == sorted(map(repr, plain.values()))
    for places in (GATE, OKX, (*GATE, *OKX)):
        for symbol in (BTC, ETH):
            names = {"", symbol, *symbol.split("/")}
            there = [block for block in plain.values() if block.at in places and block.name in names]
            left = [block for block in there if block.until_ns is None or block.until_ns > NOW]
            first = min((list(Source).index(block.source) for block in left), default=None)
            found = blocks.first(places, symbol, NOW)
            assert found in left if left else found is None
            assert found is None or list(Source).index(found.source) == first
