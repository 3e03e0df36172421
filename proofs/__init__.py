"""Programs that put the engine to the test, and no part of the product: run them at the top of the repository.

`python -m proofs.NAME`, or the target of the Makefile. `arb` imports nothing from here.
"""

from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
