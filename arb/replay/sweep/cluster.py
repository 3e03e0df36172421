"""Pieces of work shared out among the workers of a Dask cluster; a vanished worker loses only its time.

Every worker must run this same arb, for another may decide otherwise: a different one is refused before work begins. Anyone
who reaches a cluster's address may run any code there, so a cluster on another machine should speak TLS, with certificates on
both sides. Needs the package `distributed` (the extra `dask`).
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from arb.errors import CheckFailed, ConfigError
from arb.store.tapes.tape import RULES
from arb.version import version

CONNECT_S = 30
LOOK_S = 5
ALONE_LOOKS = 6
"""How often, while nothing becomes ready, the cluster is asked for workers before it is given up."""
_WHICH = (
    "(__import__('arb.version', fromlist=['version']).version(),"
    " __import__('arb.store.tapes.tape', fromlist=['RULES']).RULES)"
)
"""The question to a worker, in words that every arb understands, and a worker without one, too."""
P = TypeVar("P")
R = TypeVar("R")


class Tls(msgspec.Struct, frozen=True):
    """Files in PEM: the authority that signed all certificates of the cluster, our own certificate, and its key."""

    ca: str
    cert: str
    key: str


class Cluster:
    """A Dask cluster whose workers are all of this arb. A context; `at_once`: how many pieces it works on together."""

    def __init__(self, address: str, tls: Tls | None = None) -> None:
        """Connect to the scheduler at `address` (`tcp://HOST:PORT`, or `tls://HOST:PORT` with `tls`).

        Raises `ConfigError` for an impossible address or files, and without the package; `CheckFailed` without an answer, and
        naming every worker of another version.
        """
        scheme = "tcp" if tls is None else "tls"
        if not address.startswith(f"{scheme}://"):
            files = "; TLS needs --dask-ca, --dask-cert and --dask-key" if "tls" in (scheme, address[:3]) else ""
            raise ConfigError(f"--dask {address}: write {scheme}://HOST:PORT{files}")
        try:
            import distributed
        except ImportError:
            raise ConfigError("--dask: needs Dask: pip install 'arb[dask]'") from None
        self._address = address
        dask: Any = distributed
        self._dask = dask
        try:
            place = urlsplit(address)
            if not place.hostname or not place.port:
                raise ValueError("the port is missing" if place.hostname else "the host is missing")
            # Asked before Dask, whose client keeps complaining without an answer.
            socket.create_connection((place.hostname, place.port), CONNECT_S).close()
            security = _security(dask, tls)
            self._client = dask.Client(address, security=security, timeout=CONNECT_S, set_as_default=False)
        except OSError as error:  # a TimeoutError, too
            raise CheckFailed(f"--dask {address}: cannot be reached: {error}") from None
        except ValueError as error:
            raise ConfigError(f"--dask {address}: is no address ({error}): write {scheme}://HOST:PORT") from None
        try:
            self._require_this_arb()
            self.at_once: int = sum(self._client.nthreads().values())
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _require_this_arb(self) -> None:
        answers: dict[str, object] = self._client.run(eval, _WHICH, on_error="return")
        if not answers:
            start = f"start some with `dask worker {self._address}`"
            raise CheckFailed(f"--dask {self._address}: the cluster has no workers: {start}")
        mine = (version(), RULES)
        others = [f"{worker} {_described(answer)}" for worker, answer in sorted(answers.items()) if answer != mine]
        if others:
            raise CheckFailed(
                f"--dask {self._address}: this is arb {version()} (rules {RULES}), and {', '.join(others)}: install the same "
                "there, for another version may decide otherwise"
            )

    def results(self, work: Callable[[P], R], pieces: Sequence[P], name: Callable[[P], str]) -> Iterator[R]:
        """Yield the result of `work` for every piece, as it becomes ready; see `arb.replay.sweep.processes.Processes`."""
        ready: SimpleQueue[Any] = SimpleQueue()
        futures = {self._client.submit(work, piece, pure=False): piece for piece in pieces}
        try:
            for future in futures:
                future.add_done_callback(ready.put)
            while futures:
                future = self._awaited(partial(ready.get, timeout=LOOK_S))
                piece = futures.pop(future)
                with self._explained(name(piece)):
                    # It may be on a worker that has vanished since, and be recomputed.
                    done: R = self._awaited(partial(future.result, timeout=LOOK_S))
                yield done
        finally:
            self._client.cancel(list(futures), force=True)

    def _awaited(self, ask: Callable[[], Any]) -> Any:
        alone = 0
        while True:
            try:
                return ask()
            except (Empty, TimeoutError):
                alone = 0 if self._client.nthreads() else alone + 1
                if alone == ALONE_LOOKS:
                    raise CheckFailed(f"--dask {self._address}: no worker remains: finished rows are kept") from None

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except self._dask.KilledWorker:
            raise CheckFailed(
                f"{name}: too many workers were killed over it (is there enough memory?): finished rows are kept"
            ) from None
        except self._dask.CancelledError as error:
            raise CheckFailed(
                f"--dask {self._address}: the cluster gave up ({error}): finished rows are kept"
            ) from None


def _security(dask: Any, tls: Tls | None) -> Any:
    if tls is None:
        return None
    return dask.Security(tls_ca_file=tls.ca, tls_client_cert=tls.cert, tls_client_key=tls.key, require_encryption=True)


def _described(answer: object) -> str:
    match answer:
        case (str() as version, int() as rules):
            return f"has arb {version} (rules {rules})"
    return f"has no arb that can be asked ({answer})"
