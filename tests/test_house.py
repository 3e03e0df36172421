"""The house rules, applied to the house; and each rule shown something bad, lest it be blind."""

import os
import re
import subprocess
import tomllib
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import get_args

import click
import msgspec
import pytest

from arb.cli.root import COMMANDS, cli
from arb.config import Settings
from tests import house

REPO = Path(__file__).resolve().parent.parent
LINES_MAX, LINES_LIMIT = 400, 650
Rule = Callable[[str, str], list[str]]

ARB_RULES: list[Rule] = [
    house.upward_imports,
    house.imports_of_proofs,
    house.foreign_owners,
    house.ambient_time_and_chance,
    house.floats_where_money_is,
    house.swallowed_errors,
    house.prints,
    house.named_venues,
    house.split_symbols,
]
PROOF_RULES = [rule for rule in ARB_RULES if rule is not house.upward_imports]


def _sources(folder: str) -> dict[str, str]:
    return {
        path.relative_to(REPO).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((REPO / folder).rglob("*.py"))
    }


def _committed() -> Iterator[Path]:
    """Yield the files of the repository, or of the unpacked source where there is no git."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    if listing.returncode == 0 and listing.stdout:
        paths = [REPO / name for name in listing.stdout.decode().split("\0") if name]
    else:
        own = ("arb", "proofs", "tests", "docs", "migrations", "notebooks", ".ci")
        paths = [path for folder in own for path in (REPO / folder).rglob("*")] + list(REPO.glob("*.*"))
    yield from (path for path in paths if path.is_file())


@pytest.mark.parametrize(("folder", "rules"), [("arb", ARB_RULES), ("proofs", PROOF_RULES)], ids=["arb", "proofs"])
def test_every_module_keeps_the_rules(folder: str, rules: list[Rule]) -> None:
    complaints = [line for path, source in _sources(folder).items() for rule in rules for line in rule(path, source)]
    assert not complaints, "\n" + "\n".join(complaints)


def test_no_modules_import_each_other_in_a_circle() -> None:
    complaints = house.import_cycles(_sources("arb") | _sources("proofs"))
    assert not complaints, "\n" + "\n".join(complaints)


def test_a_strategy_proposes_and_can_send_nothing_itself() -> None:
    sources = _sources("arb/core/strategies")
    senders = ("trades.opening", "trades.one_venue", "risk.openings", "orders.manager")
    targets = {target for path, source in sources.items() for _, target in house.imports(path, source)}
    assert sources and not [
        target for target in targets if target.startswith(tuple(f"arb.core.{at}" for at in senders))
    ]


def test_the_server_in_the_role_of_the_venues_shares_nothing_with_what_it_tests() -> None:
    sources = _sources("tests/venue_server")
    targets = {target for path, source in sources.items() for _, target in house.imports(path, source)}
    assert sources and not [target for target in targets if target.split(".")[0] == "arb"]


def test_no_committed_file_names_a_machine_or_a_package_index() -> None:
    complaints = []
    for path in _committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        complaints += house.machine_traces(path.relative_to(REPO).as_posix(), text)
    assert not complaints, "\n" + "\n".join(complaints)


def test_files_stay_short() -> None:
    lengths = {
        path: source.count("\n") for folder in ("arb", "proofs", "tests") for path, source in _sources(folder).items()
    }
    for path, length in lengths.items():
        if LINES_MAX < length <= LINES_LIMIT:
            warnings.warn(f"{path} has {length} lines: one idea to a file, {LINES_MAX} lines", stacklevel=1)
    assert not {path: length for path, length in lengths.items() if length > LINES_LIMIT}


def test_every_folder_with_modules_is_a_package_and_so_installed() -> None:
    folders = {path.parent for path in (REPO / "arb").rglob("*.py")}
    assert [folder.relative_to(REPO).as_posix() for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_locks_hold_what_the_project_asks_for_hashed_and_without_index_lines() -> None:
    settings = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
    project, extras = settings["project"], settings["project"]["optional-dependencies"]
    wanted = {
        "requirements.lock": project["dependencies"],
        "requirements-compiled.lock": extras["compiled"],
        "requirements-dev.lock": project["dependencies"] + extras["dev"],
        "requirements-lab.lock": project["dependencies"] + extras["lab"] + extras["notebooks"],
        "requirements-docs.lock": settings["dependency-groups"]["docs"],
        "requirements-audit.lock": settings["dependency-groups"]["audit"],
    }
    pinned: set[tuple[str, ...]] = set()
    for name, requirements in wanted.items():
        blocks = re.split(r"\n(?=\S)", (REPO / name).read_text(encoding="utf-8").strip())
        assert all(re.match(r"[a-z0-9][a-z0-9._-]*==", block) for block in blocks), f"{name}: only pinned packages"
        assert all("--hash=sha256:" in block for block in blocks), f"{name}: every package has hashes"
        locked = {block.partition("==")[0] for block in blocks}
        asked = {re.split(r"[\[<>=;! ]", text)[0].lower() for text in requirements} - {"arb"}
        assert asked <= locked, f"{name}: run `make lock`"
        if "docs" not in name and "audit" not in name:  # environments of their own; the others share one
            versions = {tuple(re.match(r"([^=]+)==([^ ;\\]+)", block).groups()) for block in blocks}  # type: ignore[union-attr]
            others = {each for each in versions if each[0] in {known for known, _ in pinned}} - pinned
            assert not others, f"{name}: {others}: run `make lock`"
            pinned |= versions


def test_what_has_no_wheel_everywhere_is_in_the_lock_that_make_only_tries() -> None:
    tried = re.findall(r"^([a-z-]+)==", (REPO / "requirements-compiled.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert tried == ["llvmlite", "numba"]
    for lock in REPO.glob("requirements*.lock"):
        if lock.name != "requirements-compiled.lock":
            assert not re.findall(r"^(?:llvmlite|numba)==", lock.read_text(encoding="utf-8"), re.MULTILINE), lock.name


def _commands(group: click.Group = cli, above: str = "arb") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield f"{above} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{above} {name}")


def test_every_command_is_documented() -> None:
    page = (REPO / "docs" / "COMMANDS.md").read_text(encoding="utf-8")
    for path, command in _commands():
        assert command.help, f"{path} has no help"
        assert re.search(rf"`{path}\b", page), f"docs/COMMANDS.md says nothing of `{path}`"


def test_every_command_takes_config_and_json_and_every_option_has_help() -> None:
    for path, command in _commands():
        if isinstance(command, click.Group):
            continue
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        names = {name for option in options for name in option.opts}
        assert {"--config", "--json"} <= names, path
        assert all(option.help for option in options), path


def test_the_brief_help_is_the_commands_own_first_sentence() -> None:
    context = click.Context(cli)
    for name, (_, brief) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert (command.help or "").splitlines()[0] == brief, name


def _keys_with_comments(text: str) -> Iterator[tuple[str, bool]]:
    table = ""
    for line in text.splitlines():
        header, key = re.match(r"\[([\w.]+)\]", line), re.match(r"(\w+) = [^#]*(#\s*\S.{9,})?", line)
        if header:
            table = header.group(1)
        elif key:
            yield f"{table}.{key.group(1)}", key.group(2) is not None


def _keys_of_settings(value: msgspec.Struct, path: str = "") -> Iterator[str]:
    for field in msgspec.structs.fields(value):
        below = getattr(value, field.name)
        inner = f"{path}.{field.name}" if path else field.name
        if isinstance(below, dict) and get_args(field.type)[1] not in (Decimal, str):
            continue  # tables whose names are the user's: config.toml shows examples, which a test of the settings reads
        yield from _keys_of_settings(below, inner) if isinstance(below, msgspec.Struct) else [inner]


def test_every_config_key_stands_in_config_toml_with_a_comment_and_no_other() -> None:
    documented = dict(_keys_with_comments((REPO / "config.toml").read_text(encoding="utf-8")))
    assert sorted(documented) == sorted(_keys_of_settings(Settings()))
    assert [key for key, commented in documented.items() if not commented] == []


BAD: list[tuple[Rule, str, str]] = [
    (house.upward_imports, "arb/market/book.py", "from arb.core.engine import Engine"),
    (house.upward_imports, "arb/market/book.py", "def f():\n    import arb.core.engine"),
    (house.upward_imports, "arb/core/trades/trade.py", "from ...venues import base"),
    (house.upward_imports, "arb/core/trades/trade.py", "import importlib\nimportlib.import_module('arb.app')"),
    (house.upward_imports, "arb/venues/transport/retry.py", "from arb.store import ledger"),
    (house.upward_imports, "arb/store/tapes/tape.py", "from arb.venues.kit.call import Call"),
    (house.upward_imports, "arb/core/orders/manager.py", "from arb.core.trades.trade import PairTrade"),
    (house.upward_imports, "arb/core/state/budget.py", "def f():\n    from arb.core.engine import Engine"),
    (house.upward_imports, "arb/venues/transport/http.py", "from arb.venues.kit.call import Call"),
    (house.upward_imports, "arb/venues/kit/feed.py", "def f():\n    from arb.venues.registry import SPECS"),
    (house.upward_imports, "arb/venues/books/plain/slot.py", "from arb.venues.books.compiled import layout"),
    (house.upward_imports, "arb/venues/attic/junk.py", "from arb.market import book"),
    (house.upward_imports, "arb/core/attic/junk.py", "from arb.market import book"),
    (house.upward_imports, "arb/view/page/server.py", "from arb.app.questions import Questions"),
    (house.upward_imports, "arb/sandbox/exchange.py", "from arb.market.order import Side"),
    (house.upward_imports, "arb/live/runner.py", "from arb.replay import scan"),
    (house.upward_imports, "arb/replay/backtest.py", "from arb.live.control import ControlServer"),
    (house.imports_of_proofs, "arb/cli/tools.py", "def f():\n    from proofs.bench.suite import run_benches"),
    (house.imports_of_proofs, "arb/cli/tools.py", "from tests import builders"),
    (house.imports_of_proofs, "proofs/faultsim/world.py", "from tests.builders import book"),
    (house.imports_of_proofs, "proofs/soak.py", "from tests.integration.test_faults import TROUBLES"),
    (house.upward_imports, "arb/view/report/page.py", "from arb.app.review import review"),
    (house.upward_imports, "arb/attic/junk.py", "from arb.market import book"),
    (house.foreign_owners, "arb/core/engine.py", "import ccxt.pro"),
    (house.foreign_owners, "arb/app.py", "from sqlalchemy import text"),
    (house.foreign_owners, "arb/cli/database.py", "import importlib\nimportlib.import_module('alembic')"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "import time\ntime.time()"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "from time import monotonic_ns as now"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "import time as t\nread = t.perf_counter"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "from datetime import datetime\ndatetime.now()"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "import datetime as d\nd.date.today()"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "import random\nrandom.random()"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "import random\nrng = random.Random()"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "from random import Random\nrng = Random()"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "import os\nos.urandom(6)"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "import secrets\nsecrets.token_hex()"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "from uuid import uuid4"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "import numpy as np\nnp.random.normal()"),
    (house.floats_where_money_is, "arb/market/scale.py", "half = 0.5"),
    (house.floats_where_money_is, "arb/core/trades/trade.py", "price = float(text)"),
    (house.swallowed_errors, "arb/live/runner.py", "try:\n    f()\nexcept Exception:\n    pass"),
    (house.swallowed_errors, "arb/live/runner.py", "try:\n    f()\nexcept:\n    pass"),
    (house.swallowed_errors, "arb/live/runner.py", "try:\n    f()\nexcept (OSError, BaseException):\n    pass"),
    (house.swallowed_errors, "arb/live/runner.py", "try:\n    f()\nexcept Exception:  # noqa: BLE001\n    pass"),
    (house.prints, "arb/core/engine.py", "print('here')"),
    (house.named_venues, "arb/live/node.py", "if venue == 'gate':\n    pass"),
    (house.named_venues, "arb/core/engine.py", "GRACE = {'okx': 1}"),
    (house.named_venues, "arb/core/engine.py", "SLOW = frozenset({'bitget'})"),
    (house.named_venues, "arb/replay/captured.py", "match venue:\n    case 'bybit':\n        pass"),
    (house.named_venues, "arb/replay/captured.py", "return_ = name == 'gate_futures'"),
    (house.named_venues, "arb/venues/build.py", "from arb.venues.gate.client import Gate"),
    (house.named_venues, "arb/venues/kit/gateway.py", "def f():\n    from arb.venues import okx"),
    (
        house.named_venues,
        "arb/cli/tools.py",
        "import importlib\nimportlib.import_module('arb.venues.gate.signing')",
    ),
    (house.named_venues, "arb/venues/kit/spec.py", "NAME = 'kucoin'"),
    (house.named_venues, "arb/venues/bitget/private.py", "from arb.venues.okx.private import login_message"),
    (house.named_venues, "arb/venues/okx/books.py", "if venue == 'gate':\n    pass"),
    (house.split_symbols, "arb/core/trades/repairer.py", "base = pair.plan.symbol.split('/')[0]"),
    (house.split_symbols, "arb/core/strategies/taker_pair/opener.py", "base, quote = symbol.split('/')"),
    (house.split_symbols, "arb/core/strategies/taker_pair/opener.py", "base, _, quote = symbol.partition('/')"),
    (house.split_symbols, "arb/core/strategies/taker_pair/opener.py", "settle = symbol.rpartition(':')[2]"),
    (house.split_symbols, "arb/core/strategies/taker_pair/opener.py", "base, rest = symbol.split('/', 1)"),
    (house.split_symbols, "arb/core/strategies/taker_pair/opener.py", "base, rest = symbol.rsplit(sep='/')"),
    (house.split_symbols, "arb/core/strategies/taker_pair/opener.py", "base, quote = str.split(symbol, '/')"),
    (house.split_symbols, "arb/core/strategies/taker_pair/opener.py", "import re\nbase, quote = re.split('/', symbol)"),
    (house.split_symbols, "arb/core/trades/flatten.py", "text = f'{rest.symbol.split(\"/\")[0]} is left'"),
    (house.split_symbols, "proofs/faultsim/profit.py", "base, quote = fill['symbol'].split('/')"),
    (house.split_symbols, "proofs/faultsim/profit.py", "base, quote = fill.get('symbol').split('/')"),
    (house.split_symbols, "arb/view/report/figures.py", "base = str(row.symbol).upper().split('/')[0]"),
    (house.split_symbols, "arb/view/report/frames.py", "bases = fills['symbol'].str.split('/').str[0]"),
    (house.split_symbols, "arb/view/report/figures.py", "bases = [each.partition('/')[0] for each in symbols]"),
    (house.split_symbols, "arb/view/report/figures.py", "for e in set(fills['symbol']):\n    e.partition('/')"),
    (house.split_symbols, "arb/config/__init__.py", "quote = settings.run.symbols[0].split('/')[1]"),
    (house.split_symbols, "arb/venues/gate/records.py", "base = symbol_of(venue, native).split('/')[0]"),
    (house.machine_traces, "README.md", "see /ho" + "me/somebody/arb"),
    (house.machine_traces, "tests/test_x.py", 'open("/tm' + 'p/x")'),
    (house.machine_traces, "requirements.lock", "--extra-" + "index-url https://example.com/"),
]

GOOD: list[tuple[Rule, str, str]] = [
    (
        house.upward_imports,
        "arb/core/trades/trade.py",
        "from arb.market.order import Side\nfrom arb.core import state",
    ),
    (house.upward_imports, "arb/sandbox/exchange.py", "from arb.clock import Clock\nfrom arb.sandbox import matching"),
    (house.imports_of_proofs, "arb/core/trades/trade.py", "from arb.core import state"),
    (house.imports_of_proofs, "proofs/faultsim/world.py", "from arb.live.node import Node\nfrom proofs import REPO"),
    (house.imports_of_proofs, "proofs/soak.py", "from tests.integration.faulted import TROUBLES"),
    (house.upward_imports, "arb/replay/backtest.py", "from arb.live.universe import Universe"),
    (house.upward_imports, "arb/venues/okx/books.py", "from arb.venues.books.compiled.layout import OKX"),
    (house.foreign_owners, "arb/venues/generic.py", "import ccxt"),
    (house.ambient_time_and_chance, "arb/clock.py", "import time\ntime.time_ns()"),
    (house.ambient_time_and_chance, "arb/core/engine.py", "import random\nrng = random.Random(7)\nrng.random()"),
    (house.ambient_time_and_chance, "arb/core/engine.py", '"""Never calls time.time() or random.random()."""'),
    (house.floats_where_money_is, "arb/core/pricing/spread.py", "rank = 0.5"),
    (
        house.swallowed_errors,
        "arb/live/runner.py",
        "try:\n    f()\nexcept Exception:  # a bug stops trading\n    halt()",
    ),
    (house.swallowed_errors, "arb/live/runner.py", "try:\n    f()\nexcept BaseException:\n    undo()\n    raise"),
    (house.swallowed_errors, "arb/live/runner.py", "try:\n    f()\nexcept OSError:\n    pass"),
    (house.prints, "arb/cli/shared.py", "print('answer')"),
    (house.named_venues, "arb/venues/gate/spec.py", "from arb.venues.gate.outcomes import POLICY\nNAME = 'gate'"),
    (house.named_venues, "arb/venues/registry.py", "from arb.venues.okx.spec import SPEC"),
    (house.named_venues, "arb/sandbox/profiles.py", "FEES = {'bitget': 1}"),
    (house.named_venues, "arb/live/node.py", '"""Not like okx, which is another venue."""\ngate = is_open'),
    (house.split_symbols, "arb/market/symbol.py", "base, slash, quote = symbol.partition('/')"),
    (house.split_symbols, "arb/sandbox/exchange.py", "base, quote = symbol.split('/')"),
    (
        house.split_symbols,
        "arb/core/strategies/taker_pair/opener.py",
        "base, quote = Symbol.of(plan.symbol).base_and_quote",
    ),
    (house.split_symbols, "arb/core/engine.py", "kind, _, name = event.timer.partition(':')"),
    (house.split_symbols, "arb/venues/transport/http.py", "authority, _, target = rest.partition('/')"),
    (house.split_symbols, "arb/store/tapes/tape.py", "path = row.symbol_row['path'].split('/')"),
    (house.split_symbols, "arb/venues/kit/fields.py", "base, _, quote = native_symbol.partition('_')"),
    (house.split_symbols, "arb/venues/gate/dialect.py", "native = symbol.replace('/', '_')"),
    (house.machine_traces, "README.md", "the path /api/v4/spot/orders, at https://example.com/home/x"),
]


@pytest.mark.parametrize(("rule", "path", "source"), BAD, ids=lambda value: getattr(value, "__name__", None))
def test_a_rule_sees_what_it_forbids(rule: Rule, path: str, source: str) -> None:
    assert rule(path, source), "the rule is blind to this"


@pytest.mark.parametrize(("rule", "path", "source"), GOOD, ids=lambda value: getattr(value, "__name__", None))
def test_a_rule_leaves_the_legal_alone(rule: Rule, path: str, source: str) -> None:
    assert rule(path, source) == []


LATE = "def f():\n    from arb.core import a"
TYPED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from arb.core.a import A"


@pytest.mark.parametrize("back", ["from arb.core import a", LATE, TYPED])
def test_a_circle_of_imports_is_seen_however_it_hides(back: str) -> None:
    assert house.import_cycles({"arb/core/a.py": "from arb.core.b import B", "arb/core/b.py": back})
    assert house.import_cycles({"arb/core/a.py": "from arb.core.b import B", "arb/core/b.py": ""}) == []
