"""Exact arithmetic of an arbitrage: buy at venue A, sell at venue B. Pure functions of numbers.

Symbols shared by the modules here, per symbol and pair of venues:

- `fA`, `fB`: taker fees as ratios. `nA`: base received per base bought, `1-fA` where A takes its fee in base, else 1.
  `k`: quote paid per quote bought, 1 where A takes its fee in base, else `1+fA`. `slip`: `max_slippage_bps` as a ratio.
- `s`: the size sold, a multiple of B's lot. `q`: the size bought, the smallest multiple of A's lot with `q*nA >= s`.
- `cost`, `proceeds`: the quote amounts of walking A's asks for `q` and B's bids for `s`; `worst_ask`, `worst_bid`: the worst
  levels touched. `paid = k*cost`, `got = (1-fB)*proceeds`.
- `r = q*nA - s`: the residual; `value(r)`: its proceeds in B's bids after `s`, less `fB`. `m0 = value(r)/r`.
- `net = got + value(r) - paid`; `edge_bps = 10000*net/paid`.
- `hold`: the quote that the buy order may lock, `q * ceil_tick(worst_ask*(1+slip))`, with the fee where A takes it in quote.

A size is feasible when both books are deep enough, `q` and `s` are between the venues' minimum and maximum sizes, `cost` and
`s*floor_tick(worst_bid*(1-slip))` reach their minimum notionals, `worst_ask` and `worst_bid` are within their price bands (a
ratio around the middle of that venue's own best prices, which binds the side that takes), `value(r) <= dust_max_quote`, the
free balances cover `hold` and `s` (and twice any fee taken in another asset), and `hold <= max_notional`. The plan is the
feasible size of the greatest `net`; it must reach `min_net` and the required edge, and the edge of the smallest size that depth
and the venues' rules allow must not exceed `max_edge_bps`. Each leg's limit price gives up at most `slip` beyond the worst
level, at most half of the profit that remains if everything fills at the worst levels, and stays within the price band.

`depth`: one side of a book. `terms`: rules and fees as integers. `sizes`: the feasible sizes and the best of them. `spread`:
the plan, or the reason why there is none. `plan`: those two as values. `partial`: whether a plan can always be brought back to
flat.
"""
