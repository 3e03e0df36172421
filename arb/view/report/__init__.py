"""What a ledger says, in numbers. Reads only; trades nothing."""
