"""The story of one pair trade, told from its rows and its journal entries."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from arb.core.commands import Persist
from arb.store.queries import PairStory, RowDict

NS_PER_MS = Decimal(1_000_000)
E8 = Decimal("1e-8")
WATERFALL = (
    "expected_net",
    "buy_slippage",
    "sell_slippage",
    "size_shortfall",
    "fee_difference",
    "hedge_cost",
    "residual_change",
    "realised_net",
)


def tell(story: PairStory) -> dict[str, Any]:
    """Return pair, waterfall, orders, fills and timeline; instants as milliseconds since the decision."""
    pair, zero_ns = story.pair, story.pair["decided_ns"]
    return {
        "pair": {name: pair[name] for name in ("id", "kind", "symbol", "buy_venue", "sell_venue", "state")}
        | {
            "decided_ns": zero_ns,
            "took_ms": _since(pair["closed_ns"], zero_ns),
            "buy_size": pair["buy_size"],
            "sell_size": pair["sell_size"],
            "residual_size": pair["residual_size"],
            "exposure_quote_s": pair["exposure_quote_s"],
        },
        "opportunity": _opportunity(story.opportunity, zero_ns),
        "waterfall": {name: None if pair[f"{name}_e8"] is None else pair[f"{name}_e8"] * E8 for name in WATERFALL},
        "orders": [_order(order, zero_ns) for order in story.orders],
        "fills": [_fill(fill, zero_ns) for fill in story.fills],
        "incidents": [
            {"at_ms": _since(row["ns"], zero_ns), "kind": row["kind"], "text": row["text"]} for row in story.incidents
        ],
        "timeline": list(_timeline(story, zero_ns)),
    }


def _since(instant_ns: int | None, zero_ns: int) -> Decimal | None:
    return None if instant_ns is None else ((instant_ns - zero_ns) / NS_PER_MS).quantize(Decimal("0.001"))


def _opportunity(row: RowDict | None, zero_ns: int) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "id": row["id"],
        "opened_ms": _since(row["opened_ns"], zero_ns),
        "closed_ms": _since(row["closed_ns"], zero_ns),
        "best_edge_bps": row["best_edge_bps"],
        "best_gross_edge_bps": row["best_gross_edge_bps"],
        "best_net": row["best_net_e8"] * E8,
        "ticks": row["ticks"],
    }


def _order(row: RowDict, zero_ns: int) -> dict[str, Any]:
    names = (
        "role",
        "venue",
        "side",
        "price",
        "size",
        "filled",
        "avg_price",
        "status",
        "reject_code",
        "client_order_id",
    )
    return {name: row[name] for name in names} | {
        f"{name}_ms": _since(row[f"{name}_ns"], zero_ns) for name in ("sent", "acked", "first_fill", "done")
    }


def _fill(row: RowDict, zero_ns: int) -> dict[str, Any]:
    names = ("venue", "side", "price", "size", "fee", "fee_currency", "liquidity", "source", "trade_id")
    return {"at_ms": _since(row["received_ns"], zero_ns)} | {name: row[name] for name in names}


def _timeline(story: PairStory, zero_ns: int) -> Iterator[dict[str, Any]]:
    """Yield the events and commands that name one of the pair's orders; rows are left out, they are shown above."""
    for entry in story.timeline:
        if isinstance(entry.message, Persist):
            continue
        text = {
            name: value
            for name, value in msgspec.to_builtins(entry.message).items()
            if name not in ("type", "seq", "t_ns", "cause") and not isinstance(value, dict | list)
        }
        yield {
            "at_ms": _since(entry.t_ns, zero_ns),
            "seq": entry.seq,
            "what": type(entry.message).__name__,
            "of": " ".join(str(text[name]) for name in ("venue", "client_order_id", "timer") if name in text),
        }
