"""Asks an index for known weaknesses of locked packages, by pip-audit: `python -m tests.support.audit PYTHON LOCK...`.

pip-audit ends well, too, where the index knows no package at all: an answer counts only for packages that were audited.
"""

import json
import subprocess
import sys
from typing import Any

UNANSWERED = "[arb] audit: no index answered, not checked"
_NO_ANSWER = ("ConnectionError", "Could not connect", "Connection refused", "timed out")


def judged(document: dict[str, Any]) -> tuple[list[str], bool]:
    """Return what to print of pip-audit's answer, and whether a package has a known weakness."""
    packages = document["dependencies"]
    audited = [one for one in packages if "skip_reason" not in one]
    if not audited:
        return [UNANSWERED], False
    weak = [
        f"[arb] audit: {one['name']} {one['version']}: {found['id']}, "
        f"repaired in {', '.join(found['fix_versions']) or 'no version'}"
        for one in audited
        for found in one["vulns"]
    ]
    skipped = len(packages) - len(audited)
    unknown = f", {skipped} unknown to the index" if skipped else ""
    return [*weak, f"[arb] audit: {len(audited)} packages, {len(weak)} known weaknesses{unknown}"], bool(weak)


def main(python: str, *locks: str) -> int:
    """Audit locks with the pip-audit of an interpreter; return 1 for a known weakness, and where pip-audit itself fails."""
    named = [part for lock in locks for part in ("-r", lock)]
    command = [
        python,
        "-m",
        "pip_audit",
        "--disable-pip",
        "--require-hashes",
        "--progress-spinner",
        "off",
        "-f",
        "json",
    ]
    ended = subprocess.run([*command, *named], capture_output=True, text=True, check=False)
    try:
        lines, failed = judged(json.loads(ended.stdout))
    except (ValueError, KeyError):
        failed = not any(sign in ended.stderr for sign in _NO_ANSWER)
        lines = [ended.stderr.strip()] if failed else [UNANSWERED]
    sys.stdout.write("\n".join([*lines, ""]))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
