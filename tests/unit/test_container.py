"""The image and its two containers: no root, no writable root, and only what is committed in them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from arb.app.service import STOP_SPARE_S
from arb.core.messages.settings import Timing
from arb.errors import EXIT_OK

HADOLINT = shutil.which("hadolint")


@pytest.fixture
def dockerfile(repo_root: Path) -> str:
    return (repo_root / "Dockerfile").read_text()


@pytest.fixture
def services(repo_root: Path) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load((repo_root / "compose.yaml").read_text())["services"]
    return found


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_the_linter_of_images_has_no_complaint(repo_root: Path) -> None:
    asked = subprocess.run([str(HADOLINT), str(repo_root / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stdout) == (EXIT_OK, "")


def test_the_image_runs_as_no_root_is_stopped_in_order_and_is_asked_for_its_health(dockerfile: str) -> None:
    last = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9][0-9]+$", last, re.MULTILINE)
    assert "STOPSIGNAL SIGTERM" in last and '"status", "--check"' in last
    assert dockerfile.count("--require-hashes") == dockerfile.count("-r requirements")


def test_the_context_has_only_what_the_image_is_built_from(repo_root: Path) -> None:
    rules = (repo_root / ".dockerignore").read_text().splitlines()
    assert "*" in rules
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert {"arb", "migrations", "pyproject.toml", "setup.py"} <= let_in
    assert all((repo_root / name).exists() for name in let_in)
    assert not let_in & {".env", "var", "secrets", "config.toml"}


def test_both_containers_have_a_read_only_root_and_no_rights(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["tmpfs"] == ["/tmp"], name
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "state:/arb/var" in service["volumes"]
    assert services["engine"]["command"] == ["run"] and services["watch"]["command"] == ["watch"]


def test_a_stop_waits_as_long_as_that_of_the_unit(services: dict[str, Any]) -> None:
    assert services["engine"]["stop_grace_period"] == f"{Timing().shutdown_deadline_s + STOP_SPARE_S}s"
