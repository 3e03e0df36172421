"""`python -m arb.sandbox [--port N] [--seed N] [--static] [--faults FILE] [--child]`: the sandbox without the engine."""

import sys
from pathlib import Path

from arb.errors import ConfigError
from arb.sandbox.run import run_sandbox


def main(arguments: list[str]) -> int:
    """Run the sandbox and return the exit code."""
    try:
        options = _read(arguments)
        faults = options.get("faults")
        seed = options.get("seed")
        run_sandbox(
            port=_whole("--port", options.get("port", "0")),
            seed=None if seed is None else _whole("--seed", seed),
            static="static" in options,
            faults=None if faults is None else Path(faults),
            child="child" in options,
        )
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _read(arguments: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    waiting = list(arguments)
    while waiting:
        name = waiting.pop(0)
        if name in ("--static", "--child"):
            options[name[2:]] = "yes"
        elif name in ("--port", "--seed", "--faults") and waiting:
            options[name[2:]] = waiting.pop(0)
        else:
            raise ConfigError(f"{name}: expected --port N, --seed N, --static, --faults FILE or --child")
    return options


def _whole(name: str, text: str) -> int:
    if not text.isdigit():
        raise ConfigError(f"{name}: {text!r} is no whole number")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
