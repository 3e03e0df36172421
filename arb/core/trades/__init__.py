"""The life of a pair trade. Read in this order:

`trade`: states, the table of transitions, the imbalance. `table`: all pairs and their orders. `opening`: a new pair.
`repairer`: wait, close or repair after every report of an order. `repair_timing`: when the next repair may leave.
`repair_options`: the venues, cap and policy it has at that moment. `repair_choice`: which order, where, at what price.
`closing`: the end of a pair, its residual and result, and the pairs that trade residuals away. `waterfall`: the result split
into its causes. `netting`: base exchanged between open pairs. `flatten`: the user closes everything.

Elsewhere: the settlement and proof of absence of orders (`core/orders/`); the stop on openings because of a late pair
(`core/risk/late_legs.py`); pairs after a restart (`core/accounts/restart.py`, `recovery.py`).
"""
