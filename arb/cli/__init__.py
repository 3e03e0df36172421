"""The command line: `arb COMMAND`. It reads options and prints answers; the floors below do everything else."""

from arb.cli.root import main

__all__ = ["main"]
