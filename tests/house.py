"""The house rules as functions: (module path, source text) to complaints. `test_house.py` applies them to the house.

Each rule reads the syntax tree, so a word in a comment or a docstring offends nobody. A complaint is one line
`path:line: what is wrong`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from arb.venues.registry import SPECS

PARTS = (
    ("clock", "errors", "masking", "process", "door", "version", "files", "virtual_loop", "durations", "measured_loop"),
    ("market", "documents"),
    ("core.messages",),
    ("core.pricing",),
    ("core.books",),
    ("core.state",),
    ("core.fees",),
    ("core.orders",),
    ("core.trades",),
    ("core.risk",),
    ("core.universe",),
    ("core.strategies",),
    ("core.accounts",),
    ("core.engine",),
    ("core",),
    ("store", "sandbox"),
    ("venues.transport",),
    ("venues.books.plain",),
    ("venues.books.compiled",),
    ("venues.kit",),
    ("venues.paper",),
    ("venues.generic", *(f"venues.{spec.name}" for spec in SPECS)),
    ("venues.registry",),
    ("venues.build",),
    ("venues",),
    ("live", "replay"),
    ("config", "logs"),
    ("view",),
    ("watch",),
    ("app",),
    ("cli",),
    ("__main__",),
)
FLOORS = {part: floor for floor, parts in enumerate(PARTS) for part in parts}
"""A part may import its own and those on lower floors."""
APART = ({"venues", "store"}, {"venues", "sandbox"})
"""Towers side by side: neither imports the other."""
STARTS = {"replay"}
"""Parts that may start the one composition of a run, although it is on their own floor."""
COMPOSITION = re.compile(r"^arb\.live\.(node|parts|runner|executor|universe|fast_books)\b")
GROUND_ONLY = {"sandbox": {"clock", "door", "errors", "files", "process"}}
"""The sandbox plays the stranger: it shares no parser and no type with the house."""
OWNERS = {"ccxt": "venues", "sqlalchemy": "store", "alembic": "store", "apprise": "watch", "prometheus_client": "watch"}
PEERS = {"bench", "year_ledger"}
"""Proofs that may import what others own: they drive the libraries themselves, to compare, or to write a ledger in bulk."""
EXACT = re.compile(r"^arb/(market/.*|core/trades/trade\.py|core/risk/limits\.py)$")

CLOCK_READS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
             "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns", "sleep"},
    "datetime.datetime": {"now", "utcnow", "today"},
    "datetime.date": {"today"},
}  # fmt: skip
CHANCE = {
    "random": {"random", "randint", "randrange", "getrandbits", "choice", "choices", "shuffle", "sample", "uniform",
               "gauss", "normalvariate", "lognormvariate", "expovariate", "betavariate", "triangular", "seed",
               "randbytes", "SystemRandom"},
    "os": {"urandom", "getrandom"},
    "uuid": {"uuid1", "uuid4"},
    "secrets": {"*"},
    "numpy.random": {"*"},
}  # fmt: skip


def part_of(path: str) -> str:
    """Return the part of the house a file is in: `arb/core/trades/trade.py` -> `core.trades`, `arb/clock.py` -> `clock`."""
    return _part_of(module_of(path))


def _part_of(module: str) -> str:
    words = module.split(".")[1:] or [""]
    rooms = (".".join(words[:length]) for length in (3, 2))
    unlisted = ".".join(words[:2]) if words[0] in ("core", "venues") else words[0]
    return next((room for room in rooms if room in FLOORS), unlisted)


def module_of(path: str) -> str:
    """Return the dotted name of a file: `arb/core/__init__.py` -> `arb.core`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute dotted target) of every import, late or not; `from a import b` yields a.b.

    A literal `importlib.import_module("...")` counts as an import.
    """
    package = module_of(path) if path.endswith("__init__.py") else module_of(path).rpartition(".")[0]
    for node in _nodes(source):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif isinstance(node, ast.Call) and _name(node.func).endswith("import_module"):
            texts = [word.value for word in node.args[:1] if isinstance(word, ast.Constant)]
            yield from ((node.lineno, text) for text in texts if isinstance(text, str))


def upward_imports(path: str, source: str) -> list[str]:
    """Complain of an import from the same floor or above, and of what `sandbox` may not know."""
    mine = part_of(path)
    complaints = []
    for line, target in imports(path, source):
        theirs = _part_of(target)
        if not target.startswith("arb.") or theirs in (mine, "__version__"):
            continue
        if mine not in FLOORS or theirs not in FLOORS:
            complaints.append(f"{path}:{line}: {mine!r} or {theirs!r} has no floor: give it one")
        elif mine in STARTS and COMPOSITION.match(target):
            continue
        elif FLOORS[theirs] >= FLOORS[mine] > 0:
            complaints.append(f"{path}:{line}: {mine} may not import {theirs}: it is not on a lower floor")
        elif {part.partition(".")[0] for part in (mine, theirs)} in APART:
            complaints.append(f"{path}:{line}: {mine} may not import {theirs}: they stand side by side")
        elif theirs not in GROUND_ONLY.get(mine, {theirs}):
            complaints.append(f"{path}:{line}: {mine} may import nothing of the house but {GROUND_ONLY[mine]}")
    return complaints


def imports_of_proofs(path: str, source: str) -> list[str]:
    """Complain of proofs and tests in `arb`, whose wheel lacks both; and of tests in the packages of `proofs`.

    Its programs share with tests how processes are started and judged: they may import helpers, and no test module.
    """
    in_arb, in_package = path.startswith("arb/"), path.count("/") > 1
    return [
        f"{path}:{line}: {target}: arb imports neither proofs nor tests, and proofs no test"
        for line, target in imports(path, source)
        for words in [target.split(".")]
        if (in_arb and words[0] == "proofs")
        or (words[0] == "tests" and (in_arb or in_package or any(word.startswith("test_") for word in words)))
    ]


def foreign_owners(path: str, source: str) -> list[str]:
    """Complain of a library that only one part may know."""
    mine = part_of(path).partition(".")[0]
    return [
        f"{path}:{line}: only {owner} may import {library}"
        for line, target in imports(path, source)
        for library, owner in OWNERS.items()
        if target.split(".")[0] == library and mine != owner and mine not in PEERS
    ]


def import_cycles(sources: Mapping[str, str]) -> list[str]:
    """Complain of modules that import each other in a circle, late imports and those for types included."""
    modules = {module_of(path) for path in sources}
    needs: dict[str, set[str]] = {}
    for path, source in sources.items():
        targets = {target for _, target in imports(path, source)}
        found = {target if target in modules else target.rpartition(".")[0] for target in targets}
        # A package's own front may gather its modules, and they import each other by their full names.
        needs[module_of(path)] = {name for name in found & modules if name != module_of(path)}
    complaints, done, trail = [], set[str](), list[str]()

    def visit(name: str) -> None:
        if name in trail:
            complaints.append(
                " -> ".join([*trail[trail.index(name) :], name]) + ": these import each other in a circle"
            )
        elif name not in done:
            trail.append(name)
            for target in sorted(needs.get(name, ())):
                visit(target)
            done.add(trail.pop())

    for name in sorted(needs):
        visit(name)
    return complaints


def ambient_time_and_chance(path: str, source: str) -> list[str]:
    """Complain of a clock read or a die thrown outside `arb/clock.py`."""
    if path == "arb/clock.py":
        return []
    complaints = []
    for line, name in _references(source):
        for banned in (CLOCK_READS, CHANCE):
            for module, names in banned.items():
                if name.startswith(f"{module}.") and (
                    "*" in names or name.removeprefix(f"{module}.").split(".")[0] in names
                ):
                    complaints.append(f"{path}:{line}: {name}: time and chance are handed in, see arb/clock.py")
        if name in ("random.Random()", "numpy.random.default_rng()"):
            complaints.append(f"{path}:{line}: {name} without a seed: chance is handed in, see arb/clock.py")
    return complaints


def floats_where_money_is(path: str, source: str) -> list[str]:
    """Complain of a float literal or `float(...)` where prices and sizes are computed."""
    if not EXACT.match(path):
        return []
    complaints = []
    for node in _nodes(source):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            complaints.append(f"{path}:{node.lineno}: {node.value!r} is a float: money is integers or Decimal")
        if isinstance(node, ast.Call) and _name(node.func) == "float" and not _reasoned(source, node.lineno):
            complaints.append(f"{path}:{node.lineno}: float(...): may rank, never decide: say why in a comment")
    return complaints


def swallowed_errors(path: str, source: str) -> list[str]:
    """Complain of `except:` and `except (Base)Exception` that neither raise again nor say in a comment why."""
    complaints = []
    for node in _nodes(source):
        if not isinstance(node, ast.ExceptHandler):
            continue
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        names = {_name(kind) if kind is not None else "" for kind in kinds}
        passes_on = isinstance(node.body[-1], ast.Raise)
        if names & {"", "Exception", "BaseException"} and not passes_on and not _reasoned(source, node.lineno):
            complaints.append(f"{path}:{node.lineno}: catches everything: name the errors, or say why in a comment")
    return complaints


def prints(path: str, source: str) -> list[str]:
    """Complain of `print` outside the command line: stdout belongs to answers."""
    if part_of(path) in ("cli", "__main__"):
        return []
    return [
        f"{path}:{node.lineno}: print: log it, or hand it to the command line"
        for node in _nodes(source)
        if isinstance(node, ast.Call) and _name(node.func) in ("print", "builtins.print")
    ]


VENUES = {spec.name for spec in SPECS} | {"kucoin", "kraken"}
"""Those of the list, and two that are often meant next."""
NAMES_VENUES = re.compile(r"^(arb/venues/registry\.py$|arb/sandbox/|proofs/(bench/|paper\.py$|year_ledger\.py$))")
"""Where any venue may be named: the list of them, the sandbox that plays them, and three proofs."""


def named_venues(path: str, source: str) -> list[str]:
    """Complain of a venue's name in an `if`, a dict or any other value, and of an import from its folder.

    A venue's own folder may name and import itself alone.
    """
    own = re.match(r"^arb/venues/(\w+)/", path)
    if NAMES_VENUES.match(path):
        return []
    others = VENUES - ({own.group(1)} if own else set())
    words = {id(node.value) for node in _nodes(source) if isinstance(node, ast.Expr)}  # docstrings
    complaints = [
        f"{path}:{node.lineno}: {node.value!r}: only a venue's folder and arb/venues/registry.py name it"
        for node in _nodes(source)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words
        if {node.value, node.value.partition("_")[0]} & others
    ]
    owners = {f"arb.venues.{venue}" for venue in others}
    return complaints + [
        f"{path}:{line}: {target}: what is particular to a venue is reached through its spec"
        for line, target in imports(path, source)
        if any(target == owner or target.startswith(f"{owner}.") for owner in owners)
    ]


_APART = {"split", "rsplit", "partition", "rpartition"}
_PASSED_ON = {"str", "cast", "strip", "upper", "lower", "removeprefix", "removesuffix", "get", "getattr", "pop"}


def split_symbols(path: str, source: str) -> list[str]:
    """Complain of a symbol split at `/` or `:` anywhere but in `arb/market/symbol.py`: what is right for spot misreads swaps.

    A symbol is whatever is called like one: a name, an attribute, a key, or what runs over a collection of that name. The
    sandbox, which may not know `Symbol`, splits as it likes.
    """
    if path == "arb/market/symbol.py" or part_of(path) == "sandbox":
        return []
    running = {
        name.id
        for node in _nodes(source)
        if isinstance(node, ast.comprehension | ast.For) and _is_symbol(node.iter, set())
        for name in ast.walk(node.target)
        if isinstance(name, ast.Name)
    }
    return [
        f"{path}:{node.lineno}: {ast.unparse(node)}: ask Symbol.of(...) for the parts of a symbol"
        for node in _nodes(source)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _APART
        for given in [[*node.args, *(keyword.value for keyword in node.keywords)]]
        if any(isinstance(word, ast.Constant) and word.value in ("/", ":") for word in given)
        if any(_is_symbol(text, running) for text in (node.func.value, *given))
    ]


def _is_symbol(node: ast.AST, running: set[str]) -> bool:
    """Return whether an expression is called like a symbol, by the last word of it, or is one of the `running` names."""
    match node:
        case ast.Name(id=name):
            return name in running or "symbol" in name.lower()
        case ast.Attribute(value=inner, attr="str"):  # of a data frame's column
            return _is_symbol(inner, running)
        case ast.Attribute(attr=name):
            return "symbol" in name.lower()
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return "symbol" in key.lower()
        case ast.Subscript(value=inner) | ast.Starred(value=inner) | ast.Await(value=inner):
            return _is_symbol(inner, running)
        case ast.FormattedValue(value=inner) | ast.NamedExpr(value=inner):
            return _is_symbol(inner, running)
        case ast.JoinedStr(values=parts) | ast.BoolOp(values=parts):
            return any(_is_symbol(part, running) for part in parts)
        case ast.IfExp(body=body, orelse=other):
            return _is_symbol(body, running) or _is_symbol(other, running)
        case ast.Call(func=func, args=given):
            known = _name(func).rpartition(".")[2]
            if known in _PASSED_ON and isinstance(func, ast.Attribute):
                given = [func.value, *given]
            keys = [word.value for word in given if isinstance(word, ast.Constant) and isinstance(word.value, str)]
            named = any("symbol" in word.lower() for word in (known, *keys))
            return named or (
                known in _PASSED_ON | {"sorted", "set", "list"} and any(_is_symbol(w, running) for w in given)
            )
    return False


_PLACES = re.compile(r"(?<![\w.])/(?:home|root|work|Users|opt)/[\w.-]+|(?<![\w.])/tmp/[\w.-]+")
_INDEXES = re.compile(
    r"pypi\.org|python[h]osted|--(?:extra-)?index-url|--find[-]links|PIP_[I]NDEX|https?://[^\s\"']*/simple\b",
    re.IGNORECASE,
)


def machine_traces(path: str, text: str) -> list[str]:
    """Complain of a path of somebody's machine, or of the address of a package index."""
    return [
        f"{path}:{number}: {match.group(0)!r}: names a machine or an index"
        for number, line in enumerate(text.splitlines(), start=1)
        for match in [_PLACES.search(line) or _INDEXES.search(line)]
        if match
    ]


@lru_cache(maxsize=1)
def _nodes(source: str) -> tuple[ast.AST, ...]:
    """Return all nodes of a module; those of the module before are forgotten: all rules look at one after the other."""
    return tuple(ast.walk(ast.parse(source)))


def _references(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute dotted name) of every use, with the module's own import names resolved."""
    known: dict[str, str] = {}
    for node in _nodes(source):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield node.lineno, f"{node.module}.{alias.name}"
    for node in _nodes(source):
        if isinstance(node, ast.Attribute | ast.Name):
            head, _, rest = _name(node).partition(".")
            if head in known and (rest or isinstance(node, ast.Name)):
                yield node.lineno, ".".join(filter(None, (known[head], rest)))
        elif isinstance(node, ast.Call) and not node.args and not node.keywords:
            head, _, rest = _name(node.func).partition(".")
            if head in known:
                yield node.lineno, ".".join(filter(None, (known[head], rest))) + "()"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return "?"


def _reasoned(source: str, line: int) -> bool:
    """Return whether a comment of some words stands on the line, or just above or below it.

    A mere `# noqa` or `# type: ignore` gives no reason.
    """
    lines = source.splitlines()
    near = [lines[line - 1].partition("#")[2]]
    near += [
        lines[other].strip().removeprefix("#")
        for other in (line - 2, line)
        if 0 <= other < len(lines) and lines[other].strip().startswith("#")
    ]
    return any(len(re.sub(r"(noqa|type: ignore)\S*( \w+\d+)?", "", text).split()) >= 3 for text in near)
