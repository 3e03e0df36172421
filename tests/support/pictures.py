"""The pictures of the screen in the README: `docs/live.svg` moves, and is made by `make pictures`.

What is drawn is an engine of the tests' own, moved by hand from one seed, so the same code draws the same bytes. Each frame is
`rich`'s SVG of the lines that a terminal would get; CSS shows one frame after the other, and none of it is a script.
"""

import io
import random
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from arb.clock import NS_PER_S
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import HaltAsked, QueueDrained
from arb.core.messages.records import PairRecord
from arb.core.messages.settings import Limits
from arb.store.ledger.tables import WATERFALL
from arb.view.lines import encoded
from arb.view.screen.dialogs import Dialogs
from arb.view.screen.picture import picture
from arb.view.summary import present_state
from tests.builders import Bench, an_instrument
from tests.unit.core.trades.test_trade import fill

SIZES = ((60, 12), (80, 24), (120, 40), (220, 60))
SEED = 7
FRAME_S = 1.2
MID = {"BTC/USDT": 97_412, "ETH/USDT": 3_381, "SOL/USDT": 241, "DOGE/USDT": 0.412, "XRP/USDT": 2.43}
VENUES = ("gate", "okx", "bitget")
TERMS = [column.removesuffix("_e8") for column in WATERFALL]
STOP = "q or Ctrl-C: stop"
ALERT = {
    "id": 3,
    "short_id": "1-3",
    "seen_id": 3,
    "kind": "balance_drift",
    "text": "okx: DOGE: the venue reports 20 less than fills explain; nothing opens with it there",
    "what_to_do": "look for a transfer or an order by hand; `arb resume --reason TEXT` once it is explained",
    "count": 2,
}


class Market:
    """An engine between three venues, five symbols that walk at random, and the pairs that come of it."""

    def __init__(self) -> None:
        self.rng = random.Random(SEED)
        self.mid = dict(MID)
        listed = [an_instrument(venue, symbol, tick=_tick(mid)) for venue in VENUES for symbol, mid in MID.items()]
        funds = {"USDT": "50000"} | {
            symbol.partition("/")[0]: str(round(20_000 / mid, 4)) for symbol, mid in MID.items()
        }
        self.bench = Bench(
            venues=VENUES,
            instruments=listed,
            reported=dict.fromkeys(VENUES, funds) | {"bitget": funds | {"USDT": "640"}},
            limits=Limits(min_edge_bps=Decimal(4), max_notional_quote=Decimal(1500)),
        )
        self.trades = 0
        for venue, connection in self.bench.engine.state.books.connections.items():
            for _ in range(300):
                lag_ms = self.rng.gauss(9 + 8 * VENUES.index(venue), 2)
                connection.keep_lag(int(max(1.0, lag_ms) * 1_000_000), self.bench.now_ns)

    def step(self, apart: str | None = None, ms: float = 400) -> None:
        """Move all books on; `apart`: the symbol whose price at one venue runs ahead."""
        bench = self.bench
        bench.wait_ms(ms)
        for symbol in self.mid:
            self.mid[symbol] *= 1 + self.rng.gauss(0, 0.00004)
            for place, venue in enumerate(VENUES):
                ahead = 0.0034 if symbol == apart and place == 1 else self.rng.gauss(0, 0.0002)
                self._quote(venue, symbol, self.mid[symbol] * (1 + ahead))
        bench.tell(QueueDrained())
        bench.drain()

    def _quote(self, venue: str, symbol: str, mid: float) -> None:
        tick = _tick(self.mid[symbol])
        size = round(self.rng.uniform(400, 1500) / mid, 3)
        bid = Decimal(mid * 0.99995).quantize(tick)
        bids, asks = (
            f"{best}x{size} {best + away * tick}x{4 * size:.3f}" for best, away in ((bid, -3), (bid + tick, 3))
        )
        self.bench.quote(venue, bids, asks, symbol)

    def fill(self, orders: list[PlaceOrder]) -> None:
        """Fill orders whole, at their prices but for a tick now and then."""
        for order in orders:
            self.trades += 1
            fill(self.bench, order, str(order.size), f"t{self.trades}")

    def unfilled(self) -> list[PlaceOrder]:
        """Return the orders that are neither filled nor ended."""
        open_ids = {one.client_order_id for one in self.bench.engine.manager.orders.values() if not one.settled}
        return [order for order in self.bench.placed() if order.client_order_id in open_ids]

    def state(self, **more: Any) -> dict[str, Any]:
        """Return what a screen of this moment draws."""
        bench = self.bench
        about = {"mark": "", "mode": "sandbox", "environment": "sandbox", "ledger": "sqlite:///var/sandbox.sqlite"}
        up = {"started_ns": bench.now_ns - 4364 * NS_PER_S}
        return present_state(bench.engine, bench.now_ns) | {"about": about | up, "today": self._today()} | more

    def _today(self) -> dict[str, Any]:
        last = {row.id: row for row in self.bench.rows(PairRecord) if isinstance(row, PairRecord)}
        closed = [row.waterfall for row in last.values() if row.waterfall is not None]
        sums = {
            term: sum((Decimal(getattr(one, f"{term}_e8")).scaleb(-8) for one in closed), Decimal(0)) for term in TERMS
        }
        shares = [random.Random(SEED + minute).randrange(0, 9) for minute in range(60)]
        minutes = [sums["realised_net"] * share / sum(shares) for share in shares]
        quotes, runs = {"USDT": sums | {"pairs": len(closed)}}, {self.bench.engine.state.run_id: 1}
        return {"quotes": quotes, "minutes": {"USDT": minutes}, "ran_s": 3600.0, "runs": runs}


def _tick(mid: float) -> Decimal:
    return Decimal("0.1") if mid > 1000 else Decimal("0.01") if mid > 50 else Decimal("0.0001")


def scenes() -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Yield moments of a run: a name, what is drawn, and the keys pressed by then."""
    market = Market()
    market.step()
    for symbol in ("SOL/USDT", "ETH/USDT", "XRP/USDT", "BTC/USDT", "DOGE/USDT", "ETH/USDT"):
        market.step(symbol)
        market.fill(market.unfilled())
        for _ in range(14):
            market.step()
    yield "running", market.state(), []
    market.step()
    yield "running", market.state(), []
    market.step("ETH/USDT")
    yield "edge", market.state(), []
    buy, *rest = market.unfilled()
    market.step(ms=60)
    market.fill([buy])
    market.step(ms=45)
    yield "unhedged", market.state(), []
    market.fill(rest)
    market.step(ms=300)
    yield "completed", market.state(), []
    market.step("SOL/USDT")
    yield "open", market.state(alerts=[ALERT | {"since_ns": market.bench.now_ns - 190 * NS_PER_S}]), []
    alert = ALERT | {"since_ns": market.bench.now_ns - 190 * NS_PER_S}
    yield "asked", market.state(alerts=[alert]), ["h"]
    market.bench.tell(HaltAsked(reason="from the screen"))
    market.step(ms=200)
    yield "halted", market.state(alerts=[alert]), []
    market.fill(market.unfilled())
    market.step("SOL/USDT")
    yield "finished", market.state(alerts=[alert]), []


def drawn(state: dict[str, Any], keys: list[str], size: tuple[int, int]) -> list[Text]:
    """Return the lines of a screen of this size."""
    dialogs = Dialogs("stop the run", "stop the run")
    alerts = state.get("alerts", [])
    dialogs.press(keys, alerts)
    rows = picture(state, size, STOP, dialogs.footer(alerts, size[0]))
    return [Text.from_ansi(encoded(row, "utf-8", colours=True).decode()) for row in rows]


def svg(lines: list[Text], size: tuple[int, int], name: str) -> str:
    """Return lines as rich's SVG; `name` keeps its ids apart from those of others."""
    columns, rows = size
    out = io.StringIO()
    console = Console(record=True, width=columns, height=rows, file=out, force_terminal=True, color_system="truecolor")
    console.print(Text("\n").join(lines), no_wrap=True, crop=True)
    made = console.export_svg(title="arb run", unique_id=name)
    return re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", made, flags=re.S)  # nothing of it comes from elsewhere


def moving(frames: list[str]) -> str:
    """Return SVGs as one that shows them one after the other, for ever; where motion is not wanted, the first stands still."""
    head = frames[0][: frames[0].index("<style>")]
    styles, groups = [], []
    for number, frame in enumerate(frames):
        styles.append(re.search(r"<style>(.*?)</style>", frame, re.S).group(1))  # type: ignore[union-attr]
        definitions = re.search(r"<defs>.*?</defs>", frame, re.S).group()  # type: ignore[union-attr]
        drawing = frame[frame.index("</defs>") + len("</defs>") : frame.rindex("</svg>")]
        groups.append(f'<g class="frame" style="animation-delay:{number * FRAME_S:.1f}s">{definitions}{drawing}</g>')
    shown = 100 / len(frames)
    styles.append(
        f".frame {{ visibility: hidden; animation: frame {FRAME_S * len(frames):.1f}s steps(1) infinite }}"
        f"@keyframes frame {{ 0% {{ visibility: visible }} {shown:.3f}% {{ visibility: hidden }} }}"
        "@media (prefers-reduced-motion: reduce) "
        "{ .frame { animation: none } .frame:first-of-type { visibility: visible } }"
    )
    return re.sub(r"\s*\n\s*", "\n", f"{head}<style>{''.join(styles)}</style>{''.join(groups)}</svg>\n")


def main(folder: Path, every_size: bool) -> None:
    """Write `live.svg`, and with `every_size` each scene at each size."""
    size = (104, 30)
    found = list(scenes())
    frames = [svg(drawn(state, keys, size), size, f"f{number}") for number, (_, state, keys) in enumerate(found)]
    (folder / "live.svg").write_text(moving(frames), encoding="utf-8")
    for name, state, keys in found if every_size else ():
        for width, height in SIZES:
            one = svg(drawn(state, keys, (width, height)), (width, height), "one")
            (folder / f"{name}-{width}x{height}.svg").write_text(one, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--every-size" in sys.argv[2:])
