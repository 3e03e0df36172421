"""Shared by all commands: common options, reading settings, and printing answers on stdout."""

import functools
import os
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from arb.cli import answers
from arb.config import EMBEDDED, LogFormat, LogPlace, Mode, Settings, database_url, disagreements, load_settings
from arb.config.keyring import SystemKeyring
from arb.config.keys import KeyPlaces, hide_known
from arb.config.quotes import require_own_limits
from arb.core.messages.records import PairKind
from arb.errors import EXIT_OK, ArbError, ConfigError
from arb.logs import Log, LogFile, log_path, logging_to
from arb.masking import SECRETS, printable

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

DEFAULT_CONFIG = Path("config.toml")
ONE_FORM = "--csv and --json: give one of them"
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The options that commands share: the settings, the form of the answer, and whose ledger.

    `mode`, `db`: only `with_ledger` sets them; the mode decides which ledger is the default.
    """

    settings: Settings
    config: Path | None
    as_json: bool
    mode: str = ""
    db: str | None = None

    @property
    def url(self) -> str:
        return database_url(self.settings, self.mode, self.db)

    def key_places(self) -> KeyPlaces:
        return KeyPlaces(os.environ, folder_of(self.config), SystemKeyring())

    @property
    def for_people(self) -> bool:
        """Whether the answer is for a person: neither JSON nor CSV, and without `--full`."""
        return not (self.as_json or is_asked("--csv") or is_asked("--full"))

    def show(self, document: Any, rows: answers.Rows | None = None) -> int:
        """Print the answer of a command that succeeded, and return its exit code; `rows`: those that `--csv` writes."""
        show(document, as_json=self.as_json, rows=rows)
        return EXIT_OK


Command = Callable[..., int]


def with_settings(command: Command) -> Command:
    """Add `--config` and `--json`, and give the command a `Given` before its own options."""

    @functools.wraps(command)
    def called(*, config: Path | None, as_json: bool, **options: Any) -> int:
        return command(Given(settings=settings_from(config), config=config, as_json=as_json), **options)

    return config_and_json(called)


def with_ledger(command: Command) -> Command:
    """Do as `with_settings`, and add the options that choose the ledger: `--mode`, `--environment`, `--db`."""

    @functools.wraps(command)
    def called(*, config: Path | None, as_json: bool, mode: str | None, db: str | None, **options: Any) -> int:
        return command(given_ledger(config, mode, db, as_json=as_json), **options)

    return mode_and_db(config_and_json(called))


def given_ledger(config: Path | None, mode: str | None, db: str | None, *, as_json: bool) -> Given:
    settings = settings_from(config)
    chosen = ledger_mode(settings, mode, db)
    return Given(settings=settings, config=config, as_json=as_json, mode=chosen, db=db)


def config_and_json(command: F) -> F:
    command = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help=f"The settings [default: ./{DEFAULT_CONFIG}, or the built-in defaults where there is none].",
    )(command)


def mode_and_db(command: F) -> F:
    """Add `--mode`, `--environment` and `--db URL`, which choose the ledger."""
    command = demo_option(command)
    command = click.option("--db", metavar="URL", help="The ledger, instead of [store] url.")(command)
    return click.option(
        "--mode",
        type=click.Choice(["sandbox", "paper", "live", "replay"]),
        help="Use the ledger of this mode, where [store] url names none [default: [run] mode].",
    )(command)


def row_options(command: F) -> F:
    """Add `--since --until --run --symbol --venue --kind`, which select rows."""
    kinds = click.Choice([str(kind) for kind in PairKind])
    return alert_options(click.option("--kind", type=kinds, help="Only this kind of pair.")(command))


def alert_options(command: F) -> F:
    """Add `--since --until --run --symbol --venue`, which select rows that have no kind of pair."""
    options: tuple[tuple[str, Any, str, str], ...] = (
        ("--since", str, "TIME", 'From then on: 2026-11-23, "2026-11-23 14:30" (UTC), today, or 90m, 12h, 7d ago.'),
        ("--until", str, "TIME", "Before this time; a day includes all of it."),
        ("--run", click.IntRange(min=1), "N", "Only this run, by its number or its id."),
        ("--symbol", str, "SYMBOL", "Only this symbol, for example BTC/USDT."),
        ("--venue", str, "VENUE", "Only this venue."),
    )
    for name, kind, shown, text in reversed(options):
        command = click.option(name, type=kind, metavar=shown, help=text, shell_complete=_known(name))(command)
    return command


def _known(option: str) -> Callable[[click.Context, click.Parameter, str], list[str]] | None:
    """Return the completion of an option in a shell: the enabled venues, or the symbols of the settings."""

    def known(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
        try:
            settings = settings_from(context.params.get("config"), keys=False)
        except ArbError:
            return []
        names = settings.venues.enabled() if option == "--venue" else settings.run.symbols
        return [name for name in names if name.startswith(begun)]

    return known if option in ("--venue", "--symbol") else None


def sandbox_option(verb: str) -> Callable[[F], F]:
    """Return the decorator that adds `--sandbox`; `verb`: what the command does with one."""
    text = f"{verb} this running `arb sandbox`; 'embedded': our own [default: the real venues]."
    return click.option("--sandbox", type=ADMIN_URL, metavar="ADMIN_URL", help=text)


def settings_from(config: Path | None, *, keys: bool = True) -> Settings:
    """Return the settings of `config`; without one, those of ./config.toml, or the defaults where there is none.

    Keys in the environment and `.env`, a proxy's login and the heartbeat's path are masked from here on in every command.
    Without `keys` none is looked for: for a process that must know none.
    """
    found = Settings() if config is None and not DEFAULT_CONFIG.exists() else load_settings(config or DEFAULT_CONFIG)
    proxy = found.network.way_out().proxy
    SECRETS.hide(() if proxy is None else proxy.secrets())
    heartbeat = found.watch.heartbeat()
    SECRETS.hide(() if heartbeat is None else (found.watch.heartbeat_url, heartbeat.path.strip("/"), heartbeat.query))
    if keys:
        hide_known(found, os.environ, folder_of(config))
    context = click.get_current_context(silent=True)
    asked: dict[str, Any] = {} if context is None else context.meta
    if asked.get(VENUES):
        found = msgspec.structs.replace(found, venues=found.venues.only(asked[VENUES]))
        for problem in disagreements(found):
            raise ConfigError(f"--venues: {problem}")
    if asked.get(ENVIRONMENT):
        found = msgspec.structs.replace(found, venues=found.venues.on_demo())
    return found


def reader_of(config: Path | None, mode: Mode) -> Callable[[], Settings]:
    """Return a function that reads and checks the settings of a run again, in any thread."""
    context = click.get_current_context()

    def read() -> Settings:
        with context.scope(cleanup=False):
            found = settings_from(config)
        require_own_limits(found, mode, config or DEFAULT_CONFIG)
        return found

    return read


def log_as_set(
    settings: Settings, stream: "SupportsWrite[str] | None" = None, journal: Path | None = None
) -> AbstractContextManager[Log]:
    """Log as `[log]` sets it; only the engine on a `journal` has a log file."""
    log = settings.log
    to_file = journal is not None and log.to is LogPlace.FILE
    return logging_to(
        stream,
        level=settings.run.log_level.value,
        modules=log.modules,
        as_json=log.format is LogFormat.JSON,
        file=LogFile(log_path(journal), log.file_max_mb * 10**6, log.files_max) if journal and to_file else None,
    )


def folder_of(config: Path | None) -> Path:
    return (config or DEFAULT_CONFIG).parent


ENVIRONMENT, VENUES = "arb.environment", "arb.venues"


def venues_option(command: F) -> F:
    """Add `--venues LIST`, which takes the place of the venues that the settings enable, through `settings_from`."""

    def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
        context.meta[VENUES] = [] if value is None else [name.strip() for name in value.split(",")]

    return click.option(
        "--venues",
        metavar="LIST",
        expose_value=False,
        callback=remember,
        help="Only these venues, such as gate,bybit [default: those that the settings enable].",
    )(command)


def demo_option(command: F) -> F:
    """Add `--environment demo`, which every command obeys through `settings_from`."""

    def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
        context.meta[ENVIRONMENT] = value

    return click.option(
        "--environment",
        type=click.Choice(["demo"]),
        expose_value=False,
        callback=remember,
        help="Use every venue's demo (Gate's testnet) in place of the environments in the settings.",
    )(command)


def ledger_mode(settings: Settings, mode: str | None, db: str | None) -> str:
    """Return the mode that decides the default ledger; raises `ConfigError` for a bad `--db` before anything loads."""
    chosen = mode or settings.run.mode.value
    database_url(settings, chosen, db)
    return chosen


class Form(click.ParamType[T]):
    """A text of one form. `read` returns the value of a match, or None; a text without a value is refused with `problem`."""

    def __init__(self, name: str, pattern: str, read: Callable[[re.Match[str]], T | None], problem: str) -> None:
        self.name = name
        self._pattern = pattern
        self._read = read
        self._problem = problem

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        match = re.fullmatch(self._pattern, str(value))
        meaning = None if match is None else self._read(match)
        if meaning is None:
            self.fail(f"{value!r} {self._problem}", param, ctx)
        return meaning


# A bare number is refused: it could mean any unit.
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9}
_BPS = {"bps": 1, "%": 100}
RATE_MAX_BPS = 500
DURATION = Form[float](
    "duration",
    r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)",
    lambda match: float(match[1]) * _SECONDS[match[2]] or None,
    "is no length of time with its unit: write for example 500ms, 30s, 5m or 1h",
)
"""In seconds, > 0."""
BYTES = Form[int](
    "bytes",
    r"([0-9]{1,9})(kB|MB|GB)",
    lambda match: int(match[1]) * _BYTES[match[2]] or None,
    "is no size with its unit: write for example 500kB, 100MB or 2GB",
)
RATE = Form[Decimal](
    "rate",
    r"([0-9]{1,9}(?:\.[0-9]{1,12})?)(%|bps)",
    lambda match: rate if (rate := Decimal(match[1]) * _BPS[match[2]]) <= RATE_MAX_BPS else None,
    "is no fee with its unit: write for example 10bps or 0.1%, at most 5%",
)
"""In basis points."""
QUOTE = Form[Decimal](
    "quote",
    r"[0-9]{1,12}(\.[0-9]{1,8})?",
    lambda match: Decimal(match[0]) or None,
    "is no amount above 0 in the quote currency: write for example 50",
)
ADMIN_URL = Form[str](
    "admin_url",
    rf"({EMBEDDED}(?!/)|http://(?:127(?:\.[0-9]{{1,3}}){{3}}|localhost|\[::1\]):[0-9]{{1,5}}/admin)/?",
    lambda match: match[1],
    "is no sandbox on this machine: write http://127.0.0.1:PORT/admin, or embedded",
)
"""The admin address of a running sandbox, or `embedded`; a wrong address shows when it is used."""
SEED = click.IntRange(min=0, max=2**63 - 1)
INPUT_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
RUN_MODES = click.Choice([mode.value for mode in Mode])


def table_options(command: F) -> F:
    """Add `--csv` and `--full`, which `show` obeys, to a command that lists rows."""
    return csv_option(full_option(command))


def csv_option(command: F) -> F:
    """Add `--csv`: rows instead of a table."""
    return _shown_as("--csv", "Rows as CSV (RFC 4180), exact, with the columns' names in SQL.")(command)


def full_option(command: F) -> F:
    """Add `--full`, which `show` obeys."""
    return _shown_as("--full", "Every column and every digit, however wide.")(command)


def _shown_as(option: str, text: str) -> Callable[[F], F]:
    def remember(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            context.meta[option] = True

    return click.option(option, is_flag=True, expose_value=False, callback=remember, help=text)


def is_asked(option: str) -> bool:
    """Return whether `--csv` or `--full` was given."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(option))


def show(document: Any, *, as_json: bool, rows: answers.Rows | None = None) -> None:
    """Print `document` (dicts, lists, scalars, Decimals) as JSON or as tables; with `--csv`, only its `rows`.

    Where there is nothing to show, a person reads the line `empty` and the notes about the ledger.
    """
    if is_asked("--csv"):
        if as_json:
            raise ConfigError(ONE_FORM)
        click.echo(answers.rows_as_csv(rows or ()), nl=False)
    elif as_json:
        click.echo(answers.to_json(document))
    elif isinstance(document, Mapping) and "empty" in document:
        click.echo("\n".join(printable(str(document[name])) for name in ("note", "empty") if name in document))
    else:
        answers.write(answers.to_text(document, full=is_asked("--full")))
