"""Which requests are answered at all: from this machine's own page, by a browser that was given the token, small and short.

Checked on every request, reads included: the Host, so that no name of somebody's that leads to 127.0.0.1 works (DNS
rebinding), and the Origin, so that no other page in the same browser can ask or order anything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from arb.documents import encoded
from arb.errors import ArbError, ConfigError
from arb.ui.token import is_same

log = logging.getLogger(__name__)

BODY_MAX = 64 * 1024
WITHIN_S = 30.0
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """A request that is not answered; `status` as HTTP has it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def says(status: int, text: str) -> web.Response:
    """Return one clear line, as a document."""
    return web.Response(status=status, body=encoded({"error": text}), content_type="application/json", headers=HEADERS)


class Gate:
    """Lets requests in, or answers why not."""

    def __init__(self, session: str) -> None:
        self.port = 0
        self._session = session

    @property
    def cookie(self) -> str:
        """Return the cookie's name; browsers keep one set of cookies for all ports of a host."""
        return f"arb-ui-{self.port}"

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check a request, bound its time, and make errors into lines."""
        try:
            self._check(request)
            if request.path == "/events":
                return await handler(request)
            response = await asyncio.wait_for(handler(request), WITHIN_S)
            response.headers.update(HEADERS)
            return response
        except Refused as error:
            return says(error.status, str(error))
        except web.HTTPException as error:
            text = (
                f"{request.path}: {error.reason}" if error.status != 413 else f"a request has {BODY_MAX} bytes at most"
            )
            return says(error.status, text)
        except TimeoutError:
            return says(503, f"no answer within {WITHIN_S:g} s: choose a shorter range of time")
        except ConfigError as error:
            return says(400, str(error))
        except ArbError as error:
            return says(503, str(error))
        except ConnectionError:
            raise
        except Exception:  # a bug: its text is for the log, not for a browser
            log.exception("the page could not answer %s", request.path)
            return says(500, "a bug of the page: its log says more")

    def _check(self, request: web.Request) -> None:
        hosts = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        if request.headers.getall("Host", []) not in [[host] for host in hosts]:
            raise Refused(
                421,
                f"Host {request.headers.get('Host', '')[:80]!r} is not this page: open http://127.0.0.1:{self.port}/",
            )
        origin = request.headers.get("Origin")
        own = {f"http://{host}" for host in hosts}
        if (origin is not None or request.method == "POST") and origin not in own:
            raise Refused(403, f"Origin {(origin or 'none')[:80]!r} is another page: only this one may ask")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") and request.path != "/":
            raise Refused(403, "another page asked: only this one may")
        if request.method == "POST" and request.content_type != "application/json":
            raise Refused(415, "send application/json")
        if request.method not in ("GET", "HEAD", "POST"):
            raise Refused(405, f"{request.method}: GET or POST alone")
        closed = request.path.startswith("/api/") or request.path == "/events"
        if (
            closed
            and request.path != "/api/session"
            and not is_same(request.cookies.get(self.cookie, ""), self._session)
        ):
            raise Refused(
                401, "no token: open the page by `arb ui --open`, or give it the token of the file that `arb ui` names"
            )
