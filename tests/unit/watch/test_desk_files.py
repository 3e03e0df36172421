"""The files for Prometheus and Grafana: they ask for metrics and labels that are served, and are written for their address."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from arb.errors import ConfigError
from arb.watch.desk_files import BOARD, CONFIG, LIST, RULES, SHIPPED, SOURCE, write_files
from arb.watch.metrics import METRICS

BOARD_OF = json.loads((SOURCE / BOARD).read_text(encoding="utf-8"))
PANELS = [panel for panel in BOARD_OF["panels"] if panel["type"] != "row"]
RULES_OF = re.split(r"\n {6}- alert: ", (SOURCE / RULES).read_text(encoding="utf-8"))[1:]
ADDED = {"instance", "job"}
"""The labels that Prometheus adds."""


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each expression of the board and of the rules, with the text that may name its labels."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]
    for rule in RULES_OF:
        yield re.findall(r"expr: (.+)", rule)[0], rule


def labels_served(name: str) -> set[str]:
    """Return the labels of a metric, or of a kind of sample of a histogram; fails for one that is not served."""
    sample = re.fullmatch(r"(\w+_seconds)_(bucket|sum|count)", name)
    if sample is not None:
        assert METRICS[sample[1]].delay, name
        return {*METRICS[sample[1]].labels, "le"} if sample[2] == "bucket" else {*METRICS[sample[1]].labels}
    assert name in METRICS and not METRICS[name].delay, name
    return {*METRICS[name].labels}


@pytest.mark.parametrize(("expression", "shown"), [*expressions()])
def test_board_and_rules_use_only_metrics_and_labels_that_are_served(expression: str, shown: str) -> None:
    served: set[str] = set()
    for name, matchers in re.findall(r"\b(arb_\w+)(?:\{([^}]*)\})?", expression):
        labels = labels_served(name)
        assert {*re.findall(r"(\w+)(?:=~|!=|=)", matchers)} <= labels | ADDED
        served |= labels
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    assert grouped <= served | ADDED
    named = {*re.findall(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}", shown)}
    assert named <= (grouped or served)


def test_every_histogram_is_on_the_board() -> None:
    text = (SOURCE / BOARD).read_text(encoding="utf-8")
    assert [name for name, one in METRICS.items() if one.delay and f"{name}_bucket" not in text] == []


def test_the_board_has_four_rows_of_panels_that_do_not_overlap() -> None:
    rows = [panel["title"] for panel in BOARD_OF["panels"] if panel["type"] == "row"]
    assert rows == ["Money", "Safety", "Venues and latencies", "Process"]
    ids = [panel["id"] for panel in BOARD_OF["panels"]]
    assert len({*ids}) == len(ids)
    assert all('instance=~"$instance"' in target["expr"] for panel in PANELS for target in panel["targets"])
    places = [panel["gridPos"] for panel in BOARD_OF["panels"]]
    assert all(at["x"] >= 0 and at["x"] + at["w"] <= 24 for at in places)
    assert not [pair for pair in combinations(places, 2) if _overlap(*pair)]


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in (("x", "w"), ("y", "h"))
    )


@pytest.mark.parametrize("rule", RULES_OF)
def test_each_rule_has_a_severity_a_summary_and_an_action(rule: str) -> None:
    assert re.search(r"\n +labels: \{severity: (critical|warning)\}\n", rule)
    assert re.search(r"\n +summary: \S", rule) and re.search(r"\n +action: [A-Z]", rule)


@pytest.mark.parametrize("listen", ["127.0.0.1:9464", "[::1]:19464"])
def test_the_files_are_written_for_the_address_that_is_served(tmp_path: Path, listen: str) -> None:
    folder = tmp_path / "desk"
    assert write_files(folder, listen) == write_files(folder, listen) == [folder / name for name in (*SHIPPED, LIST)]
    assert (folder.stat().st_mode & 0o777, {path.stat().st_mode & 0o777 for path in folder.iterdir()}) == (
        0o755,
        {0o644},
    )
    assert (folder / RULES).read_bytes() == (SOURCE / RULES).read_bytes()
    assert (folder / BOARD).read_bytes() == (SOURCE / BOARD).read_bytes()
    listed = re.findall(r"^\| `(arb_\w+)` \| (\w+) \| (.+) \| (.+) \|$", (folder / LIST).read_text(), re.MULTILINE)
    assert [(name, labels, value) for name, _, labels, value in listed] == [
        (name, ", ".join(one.labels) or "-", one.help) for name, one in METRICS.items()
    ]
    assert {name for name, kind, *_ in listed if kind == "histogram"} == {n for n, one in METRICS.items() if one.delay}
    config = (folder / CONFIG).read_text(encoding="utf-8")
    assert f'- targets: ["{listen}"]' in config and "job_name: arb\n" in config and f"- {RULES}\n" in config


def test_a_file_that_was_changed_is_not_overwritten_and_no_other_is_written(tmp_path: Path) -> None:
    (tmp_path / RULES).write_text("mine")
    with pytest.raises(ConfigError, match=r"arb\.rules\.yml: exists and differs"):
        write_files(tmp_path, "127.0.0.1:9464")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(RULES, "mine")]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory: choose another folder"):
        write_files(tmp_path / "a" / "b", "127.0.0.1:9464")
