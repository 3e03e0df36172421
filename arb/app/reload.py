"""`arb reload`, and SIGHUP under a service manager: the running engine reads its settings again."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from arb.app.build import limits_in_force
from arb.config import Mode, Settings
from arb.config.reloading import reloaded
from arb.core.messages.events import LimitsChanged
from arb.errors import ConfigError
from arb.logs import Log
from arb.process import ServiceManager

log = logging.getLogger(__name__)


class Reload:
    """`reread` reads and checks the settings; `obey` journals an event and returns its fault, "" if none."""

    def __init__(
        self,
        settings: Settings,
        mode: Mode,
        reread: Callable[[], Settings],
        obey: Callable[[LimitsChanged], str],
        logs: Log | None,
        manager: ServiceManager,
    ) -> None:
        self._settings, self._mode = settings, mode
        self._reread, self._obey, self._logs, self._manager = reread, obey, logs, manager
        self._turn = asyncio.Lock()

    async def run(self, by: str) -> dict[str, Any]:
        """Apply what may change while running; return the changes applied and refused, or one line under `error`."""
        async with self._turn:
            self._manager.notify("RELOADING=1")
            try:
                answer = await self._run(by)
            except ConfigError as error:
                answer = {"error": f"the old settings stay: {error}"}
            finally:
                self._manager.notify("READY=1")
        for name in ("error", "applied", "refused"):
            if answer.get(name):
                log.log(
                    logging.INFO if name == "applied" else logging.ERROR, "reload by %s: %s: %s", by, name, answer[name]
                )
        return answer

    async def _run(self, by: str) -> dict[str, Any]:
        found = reloaded(self._settings, await asyncio.to_thread(self._reread))
        if found.applied:
            limits = limits_in_force(found.settings.limits, self._mode)
            if fault := self._obey(LimitsChanged(limits=limits, changes=found.applied, by=by)):
                return {"error": fault}
            if self._logs is not None:
                self._logs.set_levels(found.settings.run.log_level.value, found.settings.log.modules)
        self._settings = found.settings
        return {
            "applied": list(found.applied),
            "refused": [f"{name}: needs a restart" for name in found.refused],
            "companion": list(found.companion),
        }
