"""The commands of the service: `service install`, `service status`, `service uninstall`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from arb.cli.shared import DEFAULT_CONFIG, ENVIRONMENT, RUN_MODES, Given, demo_option, with_settings
from arb.errors import EXIT_OK


@click.group("service")
def service_group() -> None:
    """Run engine and companion under systemd."""


def _of_units(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that name the units."""
    command = click.option(
        "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
        help="Where the units are [default: where systemd reads them].",
    )(command)  # fmt: skip
    command = click.option(
        "--system/--user", default=False, help="A unit of the machine, or of your own manager [default: --user]."
    )(command)
    command = click.option("--mode", type=RUN_MODES, help="The engine's mode [default: [run] mode].")(command)
    return with_settings(demo_option(command))


def _options(given: Given, mode: str | None, live: bool, **options: Any) -> Any:
    from arb.app.service import ServiceOptions

    return ServiceOptions(
        mode=mode or given.settings.run.mode.value,
        config=(given.config or DEFAULT_CONFIG).resolve(),
        demo=bool(click.get_current_context().meta.get(ENVIRONMENT)),
        live=live,
        **options,
    )


@service_group.command("install")
@click.option("--live", is_flag=True, help="The second consent for real orders, for the engine's command line.")
@click.option("--dry-run", is_flag=True, help="Print the units and write nothing.")
@_of_units
def install_command(given: Given, dry_run: bool, **options: Any) -> int:
    """Write systemd units for engine and companion.

    The engine's restarts it after a failure and when its loop hangs, but not after bad settings. A unit that you changed is
    never replaced. Secrets are read from files, one for each name: /etc/credstore/GATE_API_KEY and so on; for --user in
    ~/.config/credstore. Run the command again after adding one.
    """
    from arb.app import service

    chosen = _options(given, **options)
    if not dry_run:
        return given.show(service.install(given.settings, chosen))
    units = service.units(given.settings, chosen)
    if given.as_json:
        return given.show({"units": [{"path": str(unit.path), "text": unit.text} for unit in units]})
    for unit in units:
        click.echo(f"# {unit.path}\n{unit.text}")
    return EXIT_OK


@service_group.command("status")
@_of_units
def status_command(given: Given, **options: Any) -> int:
    """Show the units, and whether systemd runs them."""
    from arb.app import service

    return given.show(service.status(given.settings, _options(given, live=True, **options)))


@service_group.command("uninstall")
@_of_units
def uninstall_command(given: Given, **options: Any) -> int:
    """Remove the units, but for those that you changed."""
    from arb.app import service

    return given.show(service.uninstall(given.settings, _options(given, live=True, **options)))
