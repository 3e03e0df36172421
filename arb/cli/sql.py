"""The command that takes questions in SQL: `sql`."""

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from arb.cli.answers import table_of, to_csv, to_json
from arb.cli.shared import ONE_FORM, Given, csv_option, is_asked, with_ledger
from arb.documents import plain
from arb.errors import EXIT_INTERRUPTED, EXIT_OK, ArbError, ConfigError
from arb.view.lines import text_of

if TYPE_CHECKING:
    from arb.store.ledger.read_only import ReadOnlyLedger, Rows

SHOWN_ROWS = 10_000
"""The most rows of an answer that a table shows; `--json` has all."""
INTERRUPTED = "arb: interrupted; nothing was changed"
HELP = """A question in SQL ends with ; and may have several lines. Ctrl-C ends a question, Ctrl-D the prompt.
.tables         the tables and views
.columns NAME   the meaning of its columns
.quit           the end
Questions to paste: docs/SQL.md"""


@click.command("sql")
@click.argument("query", metavar="[SQL]", required=False)
@click.option("--connection", is_flag=True, help="Print how psql, DuckDB, DBeaver and others connect, and stop.")
@csv_option
@with_ledger
def sql_command(given: Given, query: str | None, connection: bool) -> int:
    """Query a ledger in SQL, read-only.

    With SQL, it prints the answer as a table, with --json as a document, or with --csv as rows. Without SQL, it opens a
    prompt, or answers the questions on stdin. Every write is refused. docs/SQL.md has questions to paste, `.columns NAME`
    explains columns.
    """
    from arb.store.ledger import read_only

    if connection:
        return given.show(read_only.connections(given.url))
    asks = query is None and sys.stdin.isatty()
    if given.as_json and is_asked("--csv"):
        raise ConfigError(ONE_FORM)
    form = "--csv" if is_asked("--csv") else "--json" if given.as_json else ""
    if asks and form:
        raise ConfigError(f"{form}: give the question, too: arb sql {form} 'SELECT ...'")
    with contextlib.closing(read_only.ReadOnlyLedger(given.url)) as ledger:
        if asks:
            _prompt(ledger)
            return EXIT_OK
        questions = [query] if query is not None else list(statements(sys.stdin))
        if form and len(questions) != 1:
            raise ConfigError(f"{form}: {len(questions)} questions on stdin, and one document is one answer")
        for sql in questions:
            if sql.startswith(".") and not form:
                click.echo(_told(sql.split()))
                continue
            try:
                if is_asked("--csv"):
                    answer = ledger.ask(sql)
                    click.echo(to_csv(answer.columns, answer.rows), nl=False)
                else:
                    click.echo(_document(ledger.ask(sql)) if given.as_json else table(ledger.ask(sql, SHOWN_ROWS)))
            except read_only.Interrupted:
                click.echo(INTERRUPTED, err=True)
                return EXIT_INTERRUPTED
    return EXIT_OK


def statements(lines: Iterator[str]) -> Iterator[str]:
    """Yield the statements that lines hold: each ends with a semicolon at the end of a line, and the last with the lines.

    A line such as `.tables` between them is one, too.
    """
    text = ""
    for line in lines:
        text += line
        if sqlite3.complete_statement(text) or text.startswith("."):
            yield text
            text = ""
    if text.strip():
        yield text


def table(answer: "Rows") -> str:
    """Return an answer as columns of text, with the number of rows."""
    lines = [text_of(row).rstrip() for row in table_of(answer.columns, answer.rows)]
    count = f"({len(answer.rows)} row{'s' * (len(answer.rows) != 1)}"
    return "\n".join([*lines, f"{count}, and more: add LIMIT, or --json or --csv)" if answer.more else f"{count})"])


def _document(answer: "Rows") -> str:
    rows = [[plain(value, name) for name, value in zip(answer.columns, row, strict=True)] for row in answer.rows]
    return to_json({"columns": answer.columns, "rows": rows})


def _prompt(ledger: "ReadOnlyLedger") -> None:
    from arb.store.ledger.read_only import Interrupted

    with contextlib.suppress(ImportError):
        __import__("readline")  # gives the prompt its editing and its history, for as long as it lasts
    click.echo("The ledger, read-only. .help lists the commands.")
    text = ""
    while True:
        try:
            line = input("   ...> " if text else "ledger> ")
            text += f"{line}\n"
            if line.startswith(".") and text == f"{line}\n":
                text = ""
                if line.strip() in (".quit", ".exit"):
                    return
                click.echo(_told(line.split()))
            elif not text.strip():
                text = ""
            elif sqlite3.complete_statement(text):
                sql, text = text, ""
                click.echo(table(ledger.ask(sql, SHOWN_ROWS)))
        except EOFError:
            click.echo("")
            return
        except (KeyboardInterrupt, Interrupted):
            text = ""
            click.echo("interrupted", err=True)
        except ArbError as error:
            click.echo(str(error), err=True)


def _told(words: list[str]) -> str:
    from arb.store.ledger.tables import Base
    from arb.store.ledger.views import VIEWS

    names = [*sorted(Base.metadata.tables), *VIEWS]
    match words:
        case [".tables"]:
            return "\n".join(names)
        case [".columns", name] if name in Base.metadata.tables:
            columns = Base.metadata.tables[name].columns
            width = max(len(column.name) for column in columns)
            return "\n".join(f"{column.name:{width}}  {column.comment}" for column in columns)
        case [".columns", name] if name in VIEWS:
            return f"a view: SELECT * FROM {name} LIMIT 1; `make docs` builds the page that explains its columns"
        case _:
            return HELP
