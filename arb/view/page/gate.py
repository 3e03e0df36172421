"""Which requests are answered at all: from this machine's own page, signed by a browser's session, small and short.

Checked on every request, reads included: the Host, so that no name of somebody's that leads to 127.0.0.1 works (DNS
rebinding), and the Origin, so that no other page in the same browser can ask or order anything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from arb.documents import encoded
from arb.errors import ArbError, ConfigError
from arb.view.page.sessions import Session, Sessions

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
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
BY_ITSELF = ("/events", "/api/today", "/api/alerts", "/api/control")
"""What a page asks without a person, and orders, which need one that was there before."""
RENEWAL = "Arb-Renewal"
"""The header of a question that a page asks again by itself."""
SESSION = web.RequestKey("session", Session)
ANSWERED_WITH = web.RequestKey("headers", dict[str, str])
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """A request that is not answered; `status` as HTTP has it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Gate:
    """Lets requests in, or answers why not. A request that is let in has its `SESSION`."""

    def __init__(self, sessions: Sessions) -> None:
        self.port = 0
        self._sessions = sessions

    @property
    def host(self) -> str:
        """Return the one name of this page. `localhost` may also be ::1, where another user can listen."""
        return f"{HOST}:{self.port}"

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check a request, bound its time, and make errors into lines."""
        request[ANSWERED_WITH] = dict(HEADERS)

        def says(status: int, text: str) -> web.Response:
            return web.Response(
                status=status,
                body=encoded({"error": text}),
                content_type="application/json",
                headers=request[ANSWERED_WITH],
            )

        if request.host == f"localhost:{self.port}" and request.path == "/":
            here = f"http://{self.host}/?{request.rel_url.raw_query_string}"
            return web.Response(status=307, headers=HEADERS | {"Location": here})
        try:
            self._check(request)
            await asyncio.wait_for(self._admit(request), WITHIN_S)
            if request.path == "/events":
                return await handler(request)
            response = await asyncio.wait_for(handler(request), WITHIN_S)
            response.headers.update(request[ANSWERED_WITH])
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
        if request.headers.getall("Host", []) != [self.host]:
            raise Refused(
                421, f"Host {request.headers.get('Host', '')[:80]!r} is not this page: open http://{self.host}/"
            )
        origin = request.headers.get("Origin")
        if (origin is not None or request.method == "POST") and origin != f"http://{self.host}":
            raise Refused(403, f"Origin {(origin or 'none')[:80]!r} is another page: only this one may ask")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") and request.path != "/":
            raise Refused(403, "another page asked: only this one may")
        if request.method == "POST" and request.content_type != "application/json":
            raise Refused(415, "send application/json")
        if request.method not in ("GET", "HEAD", "POST"):
            raise Refused(405, f"{request.method}: GET or POST alone")

    async def _admit(self, request: web.Request) -> None:
        """Find the session of a request that shows or orders anything."""
        if not (request.path.startswith("/api/") or request.path == "/events") or request.path == "/api/session":
            return
        found = self._sessions.of_request(
            request.headers.get("Authorization", ""), request.method, request.raw_path, await request.read()
        )
        if found is None:
            raise Refused(401, "no session, or it has ended: give the token")
        request[SESSION], number = found
        request[ANSWERED_WITH]["Authentication-Info"] = request[SESSION].answer_to(number)
        by_person = request.path not in BY_ITSELF and RENEWAL not in request.headers
        if not self._sessions.take(request[SESSION], number, by_person=by_person):
            raise Refused(401, "a request came late, or twice, or the browser's clock was set: give the token again")
