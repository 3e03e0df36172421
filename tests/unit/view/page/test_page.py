"""The server of the page, over real sockets: who is let in, what is answered, and what can be ordered."""

import asyncio
import contextlib
import hashlib
import http.client
import json
import random
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import arb.view.page
from arb.app import found_journal, review
from arb.app.questions import Questions, page_of
from arb.cli import main as arb_command
from arb.cli.shared import settings_from
from arb.clock import NS_PER_S, ManualClock
from arb.config import Settings, UiOptions
from arb.errors import ConfigError
from arb.live.control import halt_file
from arb.masking import SECRETS
from arb.store.ledger.bounded import bounded
from arb.store.ledger.database import open_engine
from arb.store.ledger.migrate import upgrade
from arb.view.page.gate import HEADERS
from arb.view.page.server import Page
from arb.view.page.sessions import CODE_S, FRESH_S, IDLE_S, LIFE_S, SESSIONS_MAX, Sessions
from arb.view.page.token import load_token, token_path
from arb.view.report.summary import Sources
from tests.support.history import a_history, fill_ledger
from tests.support.signer import Signer

VENDOR = {
    "uPlot-1.6.32.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot-1.6.32.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot-LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
TOKEN = "ab" * 32
Answer = tuple[int, Any, dict[str, str]]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'run.sqlite'}"
    fill_ledger(url, a_history(pairs=60, days=2))
    return url


class Client:
    """Sends what it is told to, byte for byte, signed by its session if it has one."""

    def __init__(self, page: Page, port: int, clock: ManualClock) -> None:
        self.page, self.port, self.clock = page, port, clock
        self.host = f"127.0.0.1:{port}"
        self.session: Signer | None = None

    def ask(self, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        method, expected = "GET" if raw is None else "POST", ""
        sent = {"Host": self.host}
        if self.session is not None:
            sent["Authorization"], expected = self.session.sign(method, path, raw or b"")
        if body is not None:
            sent |= {"Content-Type": "application/json", "Origin": f"http://{self.host}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.sent = sent
        connection.request(method, path, raw, sent)
        answer = connection.getresponse()
        content, found = answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        assert "set-cookie" not in found
        self.is_proved = found.get("authentication-info") == expected
        is_json = found.get("content-type", "").startswith("application/json")
        return answer.status, json.loads(content) if is_json else content, found

    def enter(self, secret: str = TOKEN) -> "Client":
        session, self.session = Signer(self.host, self.clock), None
        status, answer, _ = self.ask("/api/session", session.proof(secret))
        assert status == 200
        session.opened(secret, answer)
        self.session = session
        return self


@contextlib.contextmanager
def a_page(url: str, *, allow_control: bool = False, port: int = 0) -> Iterator[Client]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    clock = ManualClock(10**18)

    async def made() -> tuple[Page, Any]:
        options = UiOptions(mode="sandbox", db=url, port=port, allow_control=allow_control)
        page = page_of(Settings(), options, Sessions(TOKEN, clock, random.Random(port)))
        return page, page.serving()

    page, serving = wait(made())
    port = wait(serving.__aenter__())
    try:
        yield Client(page, port, clock)
    finally:
        wait(serving.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def client(ledger: str) -> Iterator[Client]:
    with a_page(ledger) as client:
        yield client


WRONG = {"error": "wrong token: open the page by `arb ui --open`, or give the token of the file that `arb ui` names"}


def test_without_a_session_nothing_of_the_ledger_is_shown_and_a_wrong_token_is_one_line(client: Client) -> None:
    client.session = None
    for path in ("/api/pairs", "/api/about", "/api/control", "/events"):
        for given in ("", f"Bearer {TOKEN}", f"arb {'0' * 32} 1 {'0' * 64}", "arb \u00b3"):
            status, said, _ = client.ask(path, Authorization=given, Cookie=f"arb-ui-{client.port}={TOKEN}")
            assert (status, said["error"].split(",")[0]) == (401, "no session")
    for wrong in ("", "ab" * 31, "cd" * 32):
        assert client.ask("/api/session", Signer(client.host, client.clock).proof(wrong))[:2] == (401, WRONG)
    for odd in ({}, {"token": 7}, {"name": "x", "proof": "\u00e9"}):
        assert client.ask("/api/session", odd)[:2] == (401, WRONG)


def test_neither_token_nor_key_crosses_the_wire_and_a_proof_holds_at_its_own_port_alone(client: Client) -> None:
    client.enter()
    assert client.session is not None
    _, _, headers = client.ask("/api/about")
    assert client.is_proved
    for secret in (TOKEN, client.session.key):
        assert secret not in str(client.sent) + str(headers) + str(client.session.proof(TOKEN))
    elsewhere = Signer("127.0.0.1:1", client.clock).proof(TOKEN)
    assert client.ask("/api/session", elsewhere)[0] == 401


def test_a_request_is_taken_once_soon_and_as_it_was_signed(client: Client) -> None:
    session = client.enter().session
    assert session is not None and client.ask("/api/about")[0] == 200
    heard = client.sent["Authorization"]
    assert client.ask("/api/about", Authorization=heard)[0] == 401
    for path, body in (("/api/pairs", None), ("/api/about?since=7d", None), ("/api/control", {"do": "halt"})):
        signed, _ = session.sign("GET", "/api/about")
        assert client.ask(path, body, Authorization=signed)[0] == 401
        assert not client.is_proved
    kept, _ = session.sign("GET", "/api/about")
    client.clock.advance((FRESH_S + 1) * NS_PER_S)
    assert client.ask("/api/about", Authorization=kept)[0] == 401
    assert client.ask("/api/about")[0] == 200


def test_what_was_heard_at_the_port_is_worth_nothing_to_the_next_process(ledger: str) -> None:
    with a_page(ledger, allow_control=True) as first:
        opened = first.enter().session
        assert opened is not None
        proof, port = opened.proof(TOKEN), first.port
        order = json.dumps({"do": "halt", "reason": "heard"}).encode()
        heard = [opened.sign("POST", "/api/control", order)[0], opened.sign("GET", "/events")[0]]
    with a_page(ledger, allow_control=True, port=port) as second:
        for _ in range(2):
            assert second.ask("/api/control", order, Authorization=heard[0])[0] == 401
            assert second.ask("/events", Authorization=heard[1])[0] == 401
            second.ask("/api/session", proof)  # opens a session whose key the listener cannot make
        assert second.ask("/api/session", proof)[0] == 401
    assert not halt_file(found_journal(Settings(), "sandbox", ledger)).exists()


def test_a_session_ends_by_signing_out_by_silence_and_after_half_a_day(client: Client) -> None:
    assert client.enter().ask("/api/sign-out", {})[0] == 200
    assert client.ask("/api/about")[0] == 401
    client.enter()
    client.clock.advance((IDLE_S - 1) * NS_PER_S)
    assert client.ask("/api/about")[0] == 200
    client.clock.advance(IDLE_S * NS_PER_S)
    assert client.ask("/api/about")[0] == 401
    client.enter()
    for _ in range(LIFE_S // 1200 - 1):
        client.clock.advance(1200 * NS_PER_S)
        assert client.ask("/api/about")[0] == 200
    client.clock.advance(1200 * NS_PER_S)
    assert client.ask("/api/about")[0] == 401


def test_sessions_are_few_and_the_one_longest_silent_gives_way(client: Client) -> None:
    sessions = []
    for _ in range(SESSIONS_MAX + 1):
        client.clock.advance(NS_PER_S)
        sessions.append(client.enter().session)
    for session, status in ((sessions[0], 401), (sessions[1], 200), (sessions[-1], 200)):
        client.session = session
        assert client.ask("/api/about")[0] == status


def test_the_stream_ends_with_its_session(client: Client) -> None:
    session = client.enter().session
    assert session is not None
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
    signed, proved = session.sign("GET", "/events")
    connection.request("GET", "/events", headers={"Host": client.host, "Authorization": signed})
    answer = connection.getresponse()
    assert answer.getheader("Authentication-Info") == proved
    assert answer.readline().startswith(b"data: {") and answer.readline() == b"\n"
    assert client.ask("/api/sign-out", {})[0] == 200
    assert answer.read() == b""  # at the next beat
    connection.close()


def test_a_code_opens_one_session_within_a_minute(client: Client) -> None:
    used: list[bool] = []
    client.page.sessions.on_code_used = lambda: used.append(True)
    code = client.page.sessions.new_code()
    assert client.enter(code).ask("/api/about")[0] == 200 and used == [True]
    client.session = None
    assert client.ask("/api/session", Signer(client.host, client.clock).proof(code))[0] == 401
    code = client.page.sessions.new_code()
    client.clock.advance(CODE_S * NS_PER_S)
    assert client.ask("/api/session", Signer(client.host, client.clock).proof(code))[0] == 401


def test_localhost_leads_to_the_one_address_and_is_no_other(client: Client) -> None:
    client.enter()
    status, _, headers = client.ask("/?page=pairs", Host=f"localhost:{client.port}")
    assert (status, headers["location"]) == (307, f"http://{client.host}/?page=pairs")
    assert client.ask("/api/pairs", Host=f"localhost:{client.port}")[0] == 421


@pytest.mark.parametrize("path", ["/", "/app.js", "/api/pairs", "/events"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{}"]
)
def test_another_host_is_refused_on_every_path_in_one_line(client: Client, path: str, host: str) -> None:
    client.enter()
    status, said, _ = client.ask(path, Host=host.format(client.port))
    assert status == 421 and "is not this page" in said["error"] and "\n" not in said["error"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{}", "http://127.0.0.1:1"])
def test_another_origin_is_refused_in_one_line_for_reads_too(client: Client, origin: str) -> None:
    client.enter()
    status, said, _ = client.ask("/api/pairs", Origin=origin.format(client.port))
    assert status == 403 and said["error"].endswith("is another page: only this one may ask")
    assert client.ask("/api/control", {"do": "halt", "reason": "x"}, Origin=origin.format(client.port))[0] == 403
    assert client.ask("/api/pairs", Sec_Fetch_Site="cross-site")[0] == 403


def test_every_answer_forbids_what_a_page_could_be_used_for(client: Client) -> None:
    client.enter()
    for path in ("/", "/app.js", "/api/about", "/api/nothing", "/nothing", "/../token"):
        _, _, headers = client.ask(path)
        assert {name.lower(): value for name, value in HEADERS.items()}.items() <= headers.items(), path
        assert "access-control-allow-origin" not in headers
    assert "default-src 'self'" in HEADERS["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in HEADERS["Content-Security-Policy"]


def test_a_request_is_small_json_and_of_known_methods(client: Client) -> None:
    client.enter()
    assert client.ask("/api/session", b"x" * 70_000)[:2] == (413, {"error": "a request has 65536 bytes at most"})
    assert client.ask("/api/session", b"{")[:2] == (400, {"error": "not JSON"})
    assert client.ask("/api/session", b"[1]")[:2] == (400, {"error": "not a JSON object"})
    assert client.ask("/api/session", {}, Content_Type="text/plain")[0] == 415


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=soon", "since 'soon' is no instant"),
        ("since=2026-13-45", "is no instant"),
        ("since=now&until=7d", "exchange them"),
        ("symbol=BTC", "BTC"),
        ("kind=big", "give one of arb"),
        ("run=x", "run 'x' is no number of a run"),
        ("colour=red", "filter 'colour': give one of since"),
    ],
)
def test_a_filter_that_cannot_be_read_is_one_line(client: Client, query: str, said: str) -> None:
    status, answer, _ = client.enter().ask(f"/api/pairs?{query}")
    assert status == 400 and said in answer["error"] and "\n" not in answer["error"]


def test_a_filter_that_matches_nothing_says_so(client: Client) -> None:
    client.enter()
    found = client.ask("/api/pairs?kind=dust")[1]
    assert (found["empty"], found["pairs"]) == ("no pair trade of kind dust", [])
    for name in ("report", "holdings", "incidents"):
        assert "before 2000" in client.ask(f"/api/{name}?until=2000-01-01")[1]["empty"], name


def test_the_story_of_a_pair_is_found_by_its_short_id(client: Client) -> None:
    client.enter()
    for pair in client.ask("/api/pairs")[1]["pairs"][:3]:
        found = client.ask(f"/api/story?id={pair['short_id']}")[1]["pair"]
        assert (found["id"], found["short_id"]) == (pair["id"], pair["short_id"])


def test_a_venue_that_the_ledger_does_not_know_is_refused_with_the_known_ones(client: Client) -> None:
    client.enter()
    for name in ("pairs", "report", "holdings", "incidents"):
        status, found, *_ = client.ask(f"/api/{name}?venue=nowhere")
        assert status == 400 and found["error"].startswith("venue 'nowhere' is not in this ledger: known are "), name


def test_questions_of_the_same_rows_at_once_share_what_they_read(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Sources] = []  # keeps them alive, as a question does that is not yet answered
    read = review.sources
    monkeypatch.setattr(review, "sources", lambda *given: found.append(read(*given)) or found[-1])  # type: ignore[func-returns-value]

    async def ask() -> list[dict[str, Any]]:
        questions, names = Questions(Settings(), "sandbox", ledger), ("report", "offered", "executed")
        await questions.answer("report", {"kind": "dust"})
        return await asyncio.gather(*(questions.answer(name, {"kind": "arb"}) for name in names))

    report, offered, executed = asyncio.run(ask())
    assert [rows.selection.kind for rows in found] == ["dust", "arb"]
    assert (
        report["brief"] and executed["quotes"]["USDT"]["waits"]["rows"] and offered["quotes"]["USDT"]["edges"]["bars"]
    )


def test_ids_and_instants_lose_no_digit_on_their_way_to_a_browser(client: Client, ledger: str) -> None:
    pair = client.enter().ask("/api/pairs")[1]["pairs"][0]
    assert isinstance(pair["id"], str) and int(pair["id"]) > 2**53 and isinstance(pair["decided_ns"], str)
    story = client.ask(f"/api/story?id={pair['id']}")[1]
    assert story["pair"]["id"] == pair["id"] and story["steps"]


def test_a_page_is_read_only_unless_it_was_asked_for(client: Client) -> None:
    assert client.enter().ask("/api/control", {"do": "halt", "reason": "x"})[:2] == (
        403,
        {"error": "this page is read-only: start it with --allow-control"},
    )


def test_an_order_needs_a_reason_and_but_for_a_halt_its_own_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.sqlite'}"
    upgrade(url)
    with a_page(url, allow_control=True) as client:
        client.enter()
        asked = {"do": "flatten", "reason": "enough"}
        assert client.ask("/api/control", asked)[1] == {"error": "not done: type flatten to confirm"}
        assert client.ask("/api/control", asked | {"reason": " ", "confirm": "flatten"})[0] == 400
        assert client.ask("/api/control", asked | {"do": "buy", "confirm": "buy"})[0] == 400
        assert client.ask("/api/control", asked | {"size": "1"})[0] == 400
        assert "no engine obeyed" in client.ask("/api/control", asked | {"confirm": "flatten"})[1]["error"]
        file = halt_file(found_journal(Settings(), "sandbox", url))
        assert not file.exists()
        assert client.ask("/api/control", {"do": "halt", "reason": "enough"})[0] == 200
        assert file.read_text() == "enough (from the page)\n"


def test_after_half_an_hour_without_a_person_a_page_orders_nothing_but_a_halt(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.sqlite'}"
    upgrade(url)
    with a_page(url, allow_control=True) as client:
        client.enter()
        for _ in range(4):  # as the page Now does by itself, and a list that renews
            client.clock.advance(IDLE_S // 4 * NS_PER_S)
            assert client.ask("/api/today")[0] == client.ask("/api/pairs", Arb_Renewal="1")[0] == 200
        assert client.ask("/api/control", {"do": "halt", "reason": "enough"})[0] == 200
        asked = {"do": "resume", "reason": "on", "confirm": "resume"}
        status, said, _ = client.ask("/api/control", asked)
        assert (status, said["error"]) == (
            401,
            "not done: this page was not used for half an hour: give the token again",
        )
        assert client.ask("/api/today")[0] == 401
        assert client.enter().ask("/api/control", asked)[0] == 200


def test_a_ledger_of_a_newer_version_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'run.sqlite'}"
    upgrade(url)
    with open_engine(url).connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert arb_command(["ui", "--db", url, "--port", "0"]) == 2
    assert capsys.readouterr().err.endswith("schema 9999 was made by a newer arb; upgrade arb\n")


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n"


@pytest.mark.parametrize(("sql", "said"), [(ENDLESS, "interrupted"), ("DELETE FROM incidents", "readonly database")])
def test_questions_change_nothing_and_are_cut_off(ledger: str, sql: str, said: str) -> None:
    engine = open_engine(ledger).execution_options(read_only=True)
    with bounded(50), engine.connect() as connection, pytest.raises(Exception, match=said):
        connection.exec_driver_sql(sql)


def test_the_token_is_made_once_for_this_user_alone_and_anything_odd_stops(tmp_path: Path) -> None:
    path, rng = token_path(tmp_path / "new" / "run.journal.sqlite"), random.Random(7)
    token = load_token(path, rng)
    assert len(bytes.fromhex(token)) == 32 and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_token(path, rng) == token and [entry.name for entry in path.parent.iterdir()] == [path.name]
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read it"):
        load_token(path, rng)
    path.chmod(0o600)
    path.write_text("short\n")
    with pytest.raises(ConfigError, match="holds no token"):
        load_token(path, rng)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="token file"):
        load_token(path, rng)


def test_what_is_vendored_is_what_its_author_published() -> None:
    vendor = Path(next(iter(arb.view.page.__path__))) / "static" / "vendor"
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in vendor.iterdir()} == VENDOR


def test_no_text_becomes_markup_and_no_file_names_another_origin() -> None:
    static = Path(next(iter(arb.view.page.__path__))) / "static"
    for path in static.glob("*.*"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "http:",
            "https:",
            "localStorage",
            "cookie",
            "EventSource",
        ):
            assert word not in text, f"{path.name}: {word}"


def test_the_page_looks_for_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command knows of keys it masks: after the page's way of reading settings, nothing of `.env` is known."""
    monkeypatch.chdir(tmp_path)
    env, secret = tmp_path / ".env", "planted-for-the-page-7c1d"
    env.write_text(f"GATE_API_KEY={secret}\nGATE_API_SECRET={secret}\n")
    env.chmod(0o600)
    assert settings_from(None, keys=False) == Settings()
    assert SECRETS.masked(secret) == secret
    settings_from(None)
    assert SECRETS.masked(secret) != secret
