"""Show how one Gate request is signed: the double hash, step by step, with every part taken literally."""

from collections.abc import Mapping
from typing import Any

from arb.clock import NS_PER_S, Clock
from arb.errors import ConfigError
from arb.venues.gate.signing import API_ROOT, Signer, rest_headers

KEY_VARIABLE = "GATE_API_KEY"
SECRET_VARIABLE = "GATE_API_SECRET"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def sign_report(
    method: str,
    path: str,
    *,
    query: str = "",
    body: str = "",
    timestamp: str | None = None,
    environ: Mapping[str, str],
    clock: Clock,
) -> dict[str, Any]:
    """Return `{"body_sha512", "string_to_sign", "signature", "headers"}` of one request, as `arb sign gate` prints it.

    `path` is the whole path with `/api/v4`; `query` (decoded, without `?`), `body` and `timestamp` are taken
    literally, without a timestamp the clock's whole seconds are. Key and secret come from `GATE_API_KEY` and
    `GATE_API_SECRET` in `environ`. Raises `ConfigError` for bad input.
    """
    verb = method.upper()
    if verb not in _METHODS:
        raise ConfigError(f"METHOD {method!r} is none of {', '.join(_METHODS)}")
    if not (path == API_ROOT or path.startswith(API_ROOT + "/")):
        raise ConfigError(f"PATH {path!r} must be the whole path, starting with {API_ROOT}/")
    if "?" in path:
        raise ConfigError(f"PATH {path!r} contains a '?': give what follows it as --query")
    if query.startswith("?"):
        raise ConfigError("--query is what follows the '?', without it")
    key, secret = _credential(environ, KEY_VARIABLE), _credential(environ, SECRET_VARIABLE)
    moment = str(clock.wall_ns() // NS_PER_S) if timestamp is None else timestamp
    # A command line may hold bytes that are no UTF-8: they arrive as surrogates and are hashed as the bytes they were.
    signed = Signer(secret).request(verb, path, query, body.encode("utf-8", "surrogateescape"), moment)
    return {**signed._asdict(), "headers": rest_headers(key, signed.signature, moment)}


def _credential(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ConfigError(f"{name} is not set: export it before signing")
    return value
