"""The life of a pair trade. Read in this order:

`trade`: states, the table of transitions, the imbalance. `table`: all pairs and their orders. `opening`: a new pair.
`repairer`: after every report of an order, wait, close or repair. `repair_timing`: when the next repair may leave.
`repair_options`: the venues, cap and policy it has at that moment. `repair_choice`: which order, where, at what price.
`closing`: the end of a pair, its residual and result, and the pairs that trade residuals away. `waterfall`: the result split
into its causes. `netting`: base that changes hands between open pairs. `flatten`: the user closes everything.

Elsewhere: what an order is and when it is settled, unknown or proved absent (`core/orders/`); what stops opening because of a
pair that is late (`core/risk/late_legs.py`); pairs after a restart (`core/accounts/restart.py`, `recovery.py`).
"""
