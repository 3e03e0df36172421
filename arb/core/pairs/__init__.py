"""The life of a pair trade. Read in this order:

`pair`: states, the table of transitions, the imbalance. `leg_repairer`: after every report of an order, wait, close or repair.
`repair_timing`: when the next repair may leave. `repair_choice`: which order, where, at what price. `closing`: the end of a
pair, its residual and result. `waterfall`: the result split into its causes. `residuals`: what closed pairs left, as dust or
unhedged. `flatten`: the user asks for everything to be brought back to flat.
"""
