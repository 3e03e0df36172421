"""The sandbox as a process: it prints one JSON line to stdout and serves until it is stopped.

`python -m arb.sandbox [--port N] [--seed N] [--symbols N] [--venues LIST] [--static] [--faults FILE] [--child]` starts it
without the engine.
"""

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

from arb.clock import SystemClock, system_random
from arb.errors import ConfigError
from arb.files import whole_text
from arb.process import give_way, on_stop_signal
from arb.sandbox.profiles import SYMBOLS, SYMBOLS_MAX
from arb.sandbox.registry import VENUE_NAMES, venues_in
from arb.sandbox.server import SandboxServer, as_line


def run_sandbox(
    port: int = 0,
    seed: int | None = None,
    symbol_count: int = len(SYMBOLS),
    static: bool = False,
    faults: Path | None = None,
    child: bool = False,
    venues: str = ",".join(VENUE_NAMES),
) -> None:
    """Serve the simulated exchanges until SIGINT, SIGTERM or SIGHUP, as a child also until stdin closes.

    Port 0 takes any free port; without a seed, one is drawn; `venues` are apart by commas. A client runs first on a shared
    processor (`give_way`). Raises `ConfigError` when the port is taken, the file of faults cannot be read, or a venue is
    unknown.
    """
    chosen = venues_in(venues)
    planned = read_faults(faults) if faults is not None else []
    give_way()
    if seed is None:
        seed = system_random().randrange(1 << 31)
    server = SandboxServer(
        SystemClock(),
        port=port,
        seed=seed,
        symbol_count=symbol_count,
        static=static,
        faults=planned,
        venues=chosen,
    )
    asyncio.run(_serve(server, child))


async def _serve(server: SandboxServer, child: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    on_stop_signal(loop, lambda _: stopped.set())
    broken = _stop_when_broken(loop, stopped)
    try:
        line = as_line(await server.start())
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            return  # the process that started us is gone already
        if child:
            _watch_stdin(loop, stopped)
        await stopped.wait()
    finally:
        await server.stop()
    if broken:
        raise broken[0]


def _stop_when_broken(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> list[BaseException]:
    """Stop the sandbox when the world itself fails: a market that silently stalls would deceive its judges."""
    broken: list[BaseException] = []

    def note(running: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if "handle" in context and isinstance(error, Exception):
            broken.append(error)
            stopped.set()
        else:
            running.default_exception_handler(context)

    loop.set_exception_handler(note)
    return broken


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    def wait_for_end() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        if not loop.is_closed():
            loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=wait_for_end, name="sandbox-stdin", daemon=True).start()


def read_faults(path: Path) -> list[dict[str, object]]:
    """Read fault objects from a file: a JSON list, or one JSON object per line; raises `ConfigError`."""
    try:
        text = whole_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"faults file {path}: {error}") from error
    try:
        content = json.loads(text) if text.lstrip().startswith("[") else _lines(text)
    except ValueError as error:
        raise ConfigError(f"faults file {path}: {error}: expected a JSON list or one JSON object per line") from error
    if not all(isinstance(item, dict) for item in content):
        raise ConfigError(f"faults file {path}: every fault must be a JSON object")
    return list(content)


def _lines(text: str) -> list[object]:
    return [json.loads(line) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def main(arguments: list[str]) -> int:
    try:
        options = _read(arguments)
        faults = options.get("faults")
        seed = options.get("seed")
        run_sandbox(
            port=_whole("--port", options.get("port", "0")),
            seed=None if seed is None else _whole("--seed", seed),
            symbol_count=_symbol_count(options.get("symbols", str(len(SYMBOLS)))),
            static="static" in options,
            faults=None if faults is None else Path(faults),
            child="child" in options,
            venues=options.get("venues", ",".join(VENUE_NAMES)),
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
        elif name in ("--port", "--seed", "--symbols", "--venues", "--faults") and waiting:
            options[name[2:]] = waiting.pop(0)
        else:
            known = "--port N, --seed N, --symbols N, --venues LIST, --static, --faults FILE or --child"
            raise ConfigError(f"{name}: expected {known}")
    return options


def _whole(name: str, text: str) -> int:
    if not text.isdigit():
        raise ConfigError(f"{name}: {text!r} is no whole number")
    return int(text)


def _symbol_count(text: str) -> int:
    count = _whole("--symbols", text)
    if not 1 <= count <= SYMBOLS_MAX:
        raise ConfigError(f"--symbols: {count} is not in the range 1 to {SYMBOLS_MAX}")
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
