"""What a ledger says: the summary in numbers, the figures, and the page that holds both. Reads only; trades nothing."""
