"""Run notebooks as a user would, many in one kernel; and write their outputs down, small and without a trace of where.

`python -m tests.support.notebooks URL` runs all but `what_did_i_earn` on the ledger at URL, that of sweeps on made-up days, and
keeps what they show.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat

from tests.unit.replay.sweep.markets import write_day

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "notebooks"
SWEPT_DAYS = 6
SHOWN = ("trade_review", "opportunity_analysis", "execution_quality", "inventory_and_pnl")
"""Notebooks that are kept with their outputs."""
SWEEP = "would_i_have_made_money"
"""Is of tapes and of no ledger."""
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def read(name: str) -> Any:
    """Return a notebook as it is kept."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]


def run_sweep(folder: Path) -> list[Any]:
    """Run the notebook of sweeps as it lies, in a folder beside `tapes` with made-up days; return its code cells, executed."""
    (folder / "tapes").mkdir()
    for day in range(SWEPT_DAYS):
        write_day(folder / "tapes", day)
    (folder / "notebooks").mkdir()
    return _executed(
        [_fresh(cell.source) for cell in read(SWEEP).cells if cell.cell_type == "code"], folder / "notebooks"
    )


def run_on_rows(name: str, folder: Path, ledger: str, rows: str) -> list[Any]:
    """Run a notebook in a folder, after its first cell was changed as a reader would; return its code cells, executed."""
    first, *others = [cell.source for cell in read(name).cells if cell.cell_type == "code"]
    assert "load.ledger()" in first and "ROWS = {}" in first
    chosen = first.replace("load.ledger()", f"load.ledger({ledger!r})", 1).replace("ROWS = {}", f"ROWS = {rows}", 1)
    return _executed([_fresh(source) for source in (chosen, *others)], folder)


def run(names: list[str], db_url: str) -> dict[str, list[Any]]:
    """Run notebooks on a ledger, all in one kernel, each without the names of the others; return their code cells, executed."""
    cells: list[Any] = []
    places: dict[str, list[int]] = {}
    for name in names:
        cells.append(_fresh(f"%reset -f\n%env ARB_DB_URL={db_url}"))
        code = [_fresh(cell.source) for cell in read(name).cells if cell.cell_type == "code"]
        places[name] = list(range(len(cells), len(cells) + len(code)))
        cells += code
    done = _executed(cells, REPO)
    return {name: [done[place] for place in mine] for name, mine in places.items()}


def _executed(cells: list[Any], folder: Path) -> list[Any]:
    """Run cells one after the other in one kernel that was started in a folder."""
    whole = nbformat.v4.new_notebook(cells=cells, metadata=KERNEL)  # type: ignore[no-untyped-call]
    environment = os.environ | {
        "MPLBACKEND": "agg",
        "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
    }
    client = nbclient.NotebookClient(whole, timeout=100, kernel_name="python3", record_timing=False)
    client.execute(cwd=str(folder), env=environment)
    executed: list[Any] = whole.cells
    return executed


def _fresh(source: str) -> Any:
    return nbformat.v4.new_code_cell(source)  # type: ignore[no-untyped-call]


def shown(cells: list[Any]) -> str:
    """Return all the text that cells show, plain, and of drawings their source."""
    parts = []
    for cell in cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            parts += [str(output.get("text", "")), str(data.get("text/plain", "")), str(data.get("image/svg+xml", ""))]
    return "\n".join(parts)


def keep(names: tuple[str, ...], db_url: str) -> None:
    """Run notebooks and write their outputs into their files."""
    with tempfile.TemporaryDirectory() as folder:
        made = run(list(names), db_url) | {SWEEP: run_sweep(Path(folder))}
    for name, cells in made.items():
        notebook = read(name)
        notebook.metadata = KERNEL | {"language_info": {"name": "python"}}
        code = iter(cells)
        for number, cell in enumerate(notebook.cells):
            cell.id, cell.metadata = f"{name.replace('_', '-')}-{number}", {}
            if cell.cell_type == "code":
                executed = next(code)
                cell.outputs, cell.execution_count = [_clean(output) for output in executed.outputs], None
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")  # type: ignore[no-untyped-call]


def _clean(output: Any) -> Any:
    output.metadata = {}
    if "execution_count" in output:
        output.execution_count = None
    return output


if __name__ == "__main__":
    keep(SHOWN, sys.argv[1])
