"""`arb doctor`: measure venues, accounts and this machine, and let `arb.live` judge. Nothing is traded or written down."""

import asyncio
import contextlib
import logging
import os
import random
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from arb.app import stores
from arb.app.build import build_sandbox_gateways, limits_in_force, require_way_out, venues_of
from arb.app.choosing import with_symbols
from arb.app.doctor import local_checks
from arb.app.doctor.account_checks import not_asked
from arb.app.doctor.account_exam import AccountExam, DrillCost, Restores, of_journal
from arb.app.doctor.checks import Finding, Result
from arb.app.doctor.venue_exam import VenueExam
from arb.app.live import build_live_gateways, failures, sandbox_behind
from arb.clock import Clock, SystemClock, system_random
from arb.config import DoctorOptions, Mode, Settings
from arb.config.coins import coin_rule
from arb.core.messages.events import VenueExamined
from arb.core.messages.settings import CoinRule
from arb.errors import EXIT_CHECK, EXIT_OK, ArbError, ConfigError
from arb.live.anchoring import agreed
from arb.store.journal.guards import SUFFIXES, beside
from arb.store.journal.intents import intents_of
from arb.store.journal.reader import JournalReader, JournalState
from arb.store.ledger import migrate
from arb.store.ledger.database import mask_url, parse_url, sqlite_file
from arb.venues.kit.base import EventListener, OrderGateway
from arb.venues.kit.endpoints import Credentials, Site
from arb.venues.kit.gateway import VenueGateway
from arb.venues.transport.network import Network, SystemNetwork

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 20.0
"""How long after one examination during a run the doctor starts the next."""


class Examined(NamedTuple):
    """The findings of an examination, and the cost of a drill at the prices it saw."""

    findings: list[Finding]
    costs: list[DrillCost]

    @property
    def exit_code(self) -> int:
        return EXIT_CHECK if any(finding.result is Result.FAIL for finding in self.findings) else EXIT_OK


def document_of(findings: Sequence[Finding]) -> dict[str, Any]:
    count = {result: sum(finding.result is result for finding in findings) for result in Result}
    return {
        "checks": [msgspec.to_builtins(finding) for finding in findings],
        "passed": count[Result.PASS],
        "warned": count[Result.WARN],
        "failed": count[Result.FAIL],
    }


def examine(settings: Settings, options: DoctorOptions, keys: Mapping[str, Credentials]) -> Examined:
    """Examine venues, this machine, and the accounts of `keys`, by venue, or of the chosen sandbox.

    Raises `ConfigError` for a venue that is not enabled.
    """
    for venue in options.venues:
        if venue not in settings.venues.enabled():
            known = ", ".join(settings.venues.enabled())
            raise ConfigError(f"{venue!r} is no enabled venue: give one of {known}, or enable it in [venues]")
    return asyncio.run(_examine(settings, options, keys))


async def _examine(settings: Settings, options: DoctorOptions, keys: Mapping[str, Credentials]) -> Examined:
    clock, rng = SystemClock(), system_random()
    network = SystemNetwork(clock, way=settings.network.way_out())
    mode = Mode.LIVE if options.sandbox is None else Mode.SANDBOX
    async with venues_of(settings, options.sandbox) as (sites, sandbox):
        chosen = {venue: site for venue, site in sites.items() if not options.venues or venue in options.venues}
        await require_way_out(settings, chosen.values())
        settings = await with_symbols(
            settings, sites, coin_rule(settings, mode, sandbox=sandbox is not None), clock, rng, network
        )
        if sandbox is None:
            keyed = {venue: site for venue, site in chosen.items() if venue in keys}
            behind = await sandbox_behind(sites) if keyed else None
            sandbox_id = None if behind is None else behind.sandbox_id
            gateways = build_live_gateways(settings, keyed, keys, clock, rng, network, sandbox_id)
        else:
            gateways = build_sandbox_gateways(settings, sandbox, clock, rng, network)
        doctor = Doctor(settings, chosen, gateways, mode, clock, rng, network)
        _, path = stores(settings, mode.value, None)
        with contextlib.ExitStack() as stack:
            journal = stack.enter_context(contextlib.closing(JournalReader.open(path))) if path.exists() else None
            try:
                found = await doctor.findings(None if journal is None else journal.state)
            finally:
                await asyncio.gather(*(gateway.close() for gateway in gateways.values()))
    local = await asyncio.to_thread(_local, *stores(settings, settings.run.mode.value, None), options.config)
    return Examined([*local, *found], doctor.costs)


class StartExam:
    """The doctor's examination of a live run: before it, and during it while a finding blocks openings.

    `ledger`: its URL, and its journal; `left`: its recovered state. `failed` names the venues where nothing may open,
    and why.
    """

    def __init__(
        self,
        settings: Settings,
        sites: Mapping[str, Site],
        gateways: Mapping[str, OrderGateway],
        ledger: tuple[str, Path],
        left: JournalState,
        clock: Clock,
        rng: random.Random,
        network: Network,
    ) -> None:
        self.failed: dict[str, str] = {}
        self._ledger = ledger
        self._left = left
        self._venues = tuple(sites)
        self._make = partial(Doctor, settings, sites, gateways, Mode.LIVE, clock, rng, network, streams=False)

    async def before(self, *, pairs_open: bool) -> None:
        """Examine before the start; with pairs open only note that this was skipped: they do not wait for the doctor.

        Raises `CheckFailed` where no pair is open and a finding forbids the start.
        """
        if pairs_open:
            self.failed = dict.fromkeys(self._venues, "pairs are open, and the doctor has not looked yet")
        else:
            self.failed = failures(await self._findings(), self._venues, pairs_open=False)

    async def beside(self, emit: EventListener) -> None:
        """Examine the blocked venues again and again, until none is blocked."""
        while self.failed:
            try:
                found = failures(await self._findings(), self._venues, pairs_open=True)
            except Exception as error:  # the top of a task: open pairs continue, and nothing opens meanwhile
                log.warning("the doctor could not look: %r", error)
            else:
                for venue, before in self.failed.items():
                    if found.get(venue) != before:
                        emit(VenueExamined(venue=venue, failed=found.get(venue)))
                self.failed = {venue: found[venue] for venue in self.failed if venue in found}
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _findings(self) -> list[Finding]:
        found = await self._make().findings(lambda *_: self._left)
        return [*await asyncio.to_thread(_local, *self._ledger, None), *found]


class Doctor:
    """Examines the venues at `sites`, and the accounts of the `gateways` there are.

    `streams`: log in on the private streams, too; not beside a run that uses the same gateways.
    """

    def __init__(
        self,
        settings: Settings,
        sites: Mapping[str, Site],
        gateways: Mapping[str, OrderGateway],
        mode: Mode,
        clock: Clock,
        rng: random.Random,
        network: Network,
        *,
        streams: bool = True,
    ) -> None:
        self.costs: list[DrillCost] = []
        self._settings = settings
        self._gateways = gateways
        self._mode = mode
        self._clock = clock
        self._streams = streams
        self._exams = [VenueExam(settings, venue, site, clock, rng, network) for venue, site in sites.items()]

    async def findings(self, journal: Restores | None) -> list[Finding]:
        """Measure and judge; `journal` restores the state of earlier runs, None where there were none."""
        found = await asyncio.gather(*(exam.findings() for exam in self._exams))
        clocks = [exam.measured for exam in self._exams if exam.measured is not None]
        local = [
            local_checks.check_loop(local_checks.loop_kind(asyncio.get_running_loop())),
            local_checks.check_host_clock(agreed(clocks), len(self._exams)),
        ]
        if self._gateways:
            limits = limits_in_force(self._settings.limits, self._mode)
            local += of_journal(None if journal is None else journal((), {}), limits, self._clock.wall_ns())
            rule = coin_rule(self._settings, self._mode, sandbox=self._mode is Mode.SANDBOX)
            found += await asyncio.gather(*(self._account(exam, rule, journal) for exam in self._exams))
        return [*local, *(finding for part in found for finding in part)]

    async def _account(self, exam: VenueExam, rule: CoinRule | None, journal: Restores | None) -> list[Finding]:
        venue, gateway = exam.venue, self._gateways.get(exam.venue)
        if not isinstance(gateway, VenueGateway):
            return []
        if not exam.answers:
            return [not_asked(venue, "signature", "the venue does not answer: see the finding of `rest`")]
        others = tuple(other for other in self._settings.venues.enabled() if other != venue)
        site, streams = exam.site, self._streams
        account = AccountExam(self._settings, gateway, site, others, rule, journal, self._clock, streams=streams)
        found = await account.findings(exam.quotes)
        self.costs += account.cost(exam.quotes)
        return found


def _local(url: str, journal: Path, config: Path | None) -> list[Finding]:
    """Measure this machine, with a ledger and its journal; `config`: the file that the settings are from, or would be."""
    folder = _existing(journal.parent)
    ledger = sqlite_file(parse_url(url))
    there = ledger is None or ledger.exists()
    try:
        faults = migrate.schema_faults(url) if there else []
    except ArbError as error:
        faults = [str(error)]
    records = [beside(file, suffix) for file in (ledger, journal) if file for suffix in SUFFIXES]
    return [
        local_checks.check_python(sys.version_info[:3]),
        local_checks.check_disk(str(folder), shutil.disk_usage(folder).free),
        local_checks.check_journal_disk(local_checks.journal_disk_facts(folder, SystemClock())),
        local_checks.check_schema(mask_url(url), faults, there=there),
        local_checks.check_permissions(_modes(config), _modes(*records, intents_of(journal))),
        local_checks.check_clock_discipline(local_checks.clock_discipline()),
    ]


def _modes(*files: Path | None) -> dict[str, int]:
    return {str(file): file.stat().st_mode & 0o777 for file in files if file is not None and file.is_file()}


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return Path(os.path.realpath(folder))
