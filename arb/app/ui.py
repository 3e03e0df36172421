"""The page of `arb ui`: its server, joined with the questions and commands of this machine."""

from functools import partial

from arb.app import control, journals_of
from arb.app.questions import Questions
from arb.config import Settings, UiOptions
from arb.view.page.server import Page
from arb.view.page.sessions import Sessions


def page_of(settings: Settings, options: UiOptions, sessions: Sessions) -> Page:
    """Return the page of one ledger."""
    commands = {
        "halt": control.halt,
        "resume": control.resume,
        "flatten": control.flatten,
        "acknowledge": control.acknowledge,
    }
    return Page(
        options,
        sessions,
        Questions(settings, options.mode, options.db),
        lambda: journals_of(settings, options.mode, options.db),
        {name: partial(command, settings) for name, command in commands.items()},
        control.this_user(),
    )
