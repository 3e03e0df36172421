"""The command line: `arb COMMAND`. Knows how to ask and how to show; everything else is done by the floors below."""

from arb.cli.root import main

__all__ = ["main"]
