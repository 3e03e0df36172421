"""Rows written under an earlier schema, after the way up, down and up again."""

from sqlalchemy import text

from arb.store.engine import open_engine
from arb.store.migrate import check, downgrade, head, upgrade
from tests.unit.store.conftest import query

ROWS = """
INSERT INTO runs VALUES (1, 'sandbox', NULL, NULL, '0.1.0', 1, NULL, NULL, NULL);
INSERT INTO orders VALUES (1, NULL, 'okx:a', 'okx', 'BTC/USDT', 'foreign', 0, 'buy', 'ioc', '1', '2', '2', '1', NULL, 'v1',
    'filled', NULL, NULL, 1, NULL, NULL, NULL, NULL);
INSERT INTO fills VALUES (1, 1, 'okx:a', 'okx', 'BTC/USDT', 't1', 'buy', '1', '1', '0', 'BTC', '0.000000005', 'taker',
    'stream', 1, 1);
INSERT INTO fills VALUES (2, 1, 'okx:a', 'okx', 'BTC/USDT', 't2', 'buy', '1', '1', '0', 'BTC', '-0.123456789', 'taker',
    'query', 1, 1);
INSERT INTO fills VALUES (3, 1, 'okx:a', 'okx', 'BTC/USDT', 't3', 'buy', '1', '1', '0', 'BTC', '90071992547.40993', 'taker',
    'query', 1, 1)
"""


def test_fills_of_an_earlier_schema_get_their_fee_as_an_exact_integer(db_url: str) -> None:
    upgrade(db_url, "0002")
    engine = open_engine(db_url)
    with engine.begin() as connection:
        for statement in ROWS.split(";"):
            connection.execute(text(statement))
    engine.dispose()
    before = query(db_url, "SELECT * FROM fills ORDER BY id")
    wanted = [(1, 0), (2, -12_345_679), (3, 9_007_199_254_740_993_000)]
    for _ in range(2):
        assert upgrade(db_url) == ("0002", head())
        assert check(db_url) == []
        assert query(db_url, "SELECT id, fee_quote_value_e8 FROM fills ORDER BY id") == wanted
        assert downgrade(db_url, "0002") == (head(), "0002")
        assert query(db_url, "SELECT * FROM fills ORDER BY id") == before
        assert query(db_url, "SELECT venue, orders FROM v_venue_quality") == []
