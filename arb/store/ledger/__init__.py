"""The ledger: tables of the journal's rows, for SQL; views, queries, exports."""
