"""The ledger: tables of what the journal holds, for SQL; views, queries, exports."""
