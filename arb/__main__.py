"""Run the command line as `python -m arb`."""

import sys

from arb.cli import main

if __name__ == "__main__":
    sys.exit(main())
