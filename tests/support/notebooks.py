"""Run notebooks as a user would, many in one kernel; and write their outputs down, small and without a trace of where.

`python -m tests.support.notebooks URL` runs all but `what_did_i_earn` on the ledger at URL and keeps what they show.
"""

import os
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "notebooks"
SHOWN = ("trade_review", "opportunity_analysis", "execution_quality", "inventory_and_pnl")
"""Notebooks that are kept with their outputs."""
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def read(name: str) -> Any:
    """Return a notebook as it is kept."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]


def run(names: list[str], *db_urls: str) -> list[dict[str, list[Any]]]:
    """Run notebooks on each ledger in turn, all in one kernel, each with empty hands.

    Returns for each ledger the code cells of each notebook, executed.
    """
    cells: list[Any] = []
    places: list[dict[str, list[int]]] = []
    for db_url in db_urls:
        places.append({})
        for name in names:
            cells.append(_fresh(f"%reset -f\n%env ARB_DB_URL={db_url}"))
            code = [_fresh(cell.source) for cell in read(name).cells if cell.cell_type == "code"]
            places[-1][name] = list(range(len(cells), len(cells) + len(code)))
            cells += code
    whole = nbformat.v4.new_notebook(cells=cells, metadata=KERNEL)  # type: ignore[no-untyped-call]
    environment = os.environ | {
        "MPLBACKEND": "agg",
        "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
    }
    client = nbclient.NotebookClient(whole, timeout=100, kernel_name="python3", record_timing=False)
    client.execute(cwd=str(REPO), env=environment)
    return [{name: [whole.cells[place] for place in mine] for name, mine in each.items()} for each in places]


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
    for name, cells in run(list(names), db_url)[0].items():
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
