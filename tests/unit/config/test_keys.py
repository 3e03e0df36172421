"""Where keys are found, in which order, and what is refused: a file that others can read, half a key, a keyring that fails."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.config import Settings
from arb.config.keyring import SystemKeyring
from arb.config.keys import (
    ENV_FILE,
    KeyPlaces,
    Place,
    add_to_env_file,
    credentials_of,
    hide_known,
    list_keys,
    read_env_file,
)
from arb.config.loader import load_text
from arb.errors import ConfigError
from arb.masking import SECRETS
from arb.venues.kit.endpoints import Credentials, Environment

OKX = Settings().venues.okx
KEY = {"OKX_API_KEY": "key-of-okx-1", "OKX_API_SECRET": "secret-of-okx-2", "OKX_API_PASSPHRASE": "phrase of-okx 3"}


class Kept:
    """A keyring in memory; `broken`: what it says when it is asked."""

    priority = 5.0

    def __init__(self, entries: Mapping[str, str] = {}, broken: str = "") -> None:
        self.entries = {("arb", name): secret for name, secret in entries.items()}
        self._broken = broken

    def get_password(self, service: str, username: str) -> str | None:
        if self._broken:
            raise RuntimeError(self._broken)
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


class Clear(Kept):
    """Keeps secrets in the clear, and says so by its priority."""

    priority = 0.5


def places(
    folder: Path,
    environment: Mapping[str, str] = {},
    kept: Kept | None = None,
    *,
    file: Mapping[str, str] | None = None,
    credentials: Mapping[str, str] | None = None,
) -> KeyPlaces:
    """Return the places; None for a keyring is that of a machine without one."""
    if credentials is not None:
        environment = {**environment, "CREDENTIALS_DIRECTORY": str(folder / "credentials")}
        (folder / "credentials").mkdir(exist_ok=True)
        for name, value in credentials.items():
            (folder / "credentials" / name).write_text(f"{value}\n")
            (folder / "credentials" / name).chmod(0o440)
    if file is not None:
        write_env(folder, "".join(f"{name}='{value}'\n" for name, value in file.items()))

    def find() -> Kept:
        if kept is None:
            raise ModuleNotFoundError("No module named 'keyring'")
        return kept

    return KeyPlaces(environment, folder, SystemKeyring(find))


def write_env(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / ENV_FILE
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal(found: KeyPlaces, venue: str = "okx") -> str:
    with pytest.raises(ConfigError) as refused:
        found.credentials(venue, getattr(Settings().venues, venue))
    line = str(refused.value)
    assert "\n" not in line and not any(secret in line for secret in KEY.values())
    return line


def other(first: str) -> dict[str, str]:
    return {name: f"{first}-{value}" for name, value in KEY.items()}


# Which place counts.


def test_the_environment_comes_first_then_credentials_then_the_file_then_the_keyring(tmp_path: Path) -> None:
    kept = Kept(other("kept"))
    keys = [
        places(tmp_path, KEY, kept, file=other("file"), credentials=other("unit")).credentials("okx", OKX),
        places(tmp_path, {}, kept, file=other("file"), credentials=other("unit")).credentials("okx", OKX),
        places(tmp_path, {}, kept, file=other("file")).credentials("okx", OKX),
        places(tmp_path, {}, kept, file={}).credentials("okx", OKX),
    ]
    assert [found.key for found in keys] == [f"{place}key-of-okx-1" for place in ("", "unit-", "file-", "kept-")]
    assert keys[0] == Credentials(key="key-of-okx-1", secret="secret-of-okx-2", passphrase="phrase of-okx 3")


def test_a_variable_that_is_set_to_nothing_is_not_set(tmp_path: Path) -> None:
    empty = dict.fromkeys(KEY, "")
    assert places(tmp_path, empty, file=KEY).credentials("okx", OKX).key == "key-of-okx-1"


@pytest.mark.parametrize("name", list(KEY))
@pytest.mark.parametrize("where", ["environment", "file", "keyring"])
def test_half_a_key_is_refused_though_the_next_place_has_a_whole_one(tmp_path: Path, name: str, where: str) -> None:
    half = {other: value for other, value in KEY.items() if other != name}
    found = {
        "environment": places(tmp_path, half, Kept(KEY), file=KEY),
        "file": places(tmp_path, {}, Kept(KEY), file=half) if where == "file" else places(tmp_path),
        "keyring": places(tmp_path, {}, Kept(half), file={}) if where == "keyring" else places(tmp_path),
    }[where]
    assert f", and {name} is not: all parts of a key must be in one place" in refusal(found)


def test_without_a_key_every_place_is_named_and_why_there_is_no_keyring(tmp_path: Path) -> None:
    line = refusal(places(tmp_path))
    assert "set OKX_API_KEY, OKX_API_SECRET and OKX_API_PASSPHRASE in the environment or in " in line
    assert f"{tmp_path / ENV_FILE} (chmod 600)" in line and "`arb keys add okx`" in line
    assert "the keyring cannot be used: ModuleNotFoundError" in line


def test_a_demo_has_names_of_its_own_and_takes_no_key_of_production(tmp_path: Path) -> None:
    demo = msgspec.structs.replace(OKX, environment=Environment.DEMO)
    names = {f"DEMO_{name}": f"demo-{value}" for name, value in KEY.items()}
    assert places(tmp_path, KEY | names).credentials("okx", demo).key == "demo-key-of-okx-1"
    assert places(tmp_path, KEY | names).credentials("okx", OKX).key == "key-of-okx-1"
    with pytest.raises(ConfigError, match="set DEMO_OKX_API_KEY"):
        places(tmp_path, KEY).credentials("okx", demo)


def test_a_venue_without_a_passphrase_needs_none(tmp_path: Path) -> None:
    gate = {"GATE_API_KEY": "key-of-gate", "GATE_API_SECRET": "secret-of-gate"}
    assert places(tmp_path, gate).credentials("gate", Settings().venues.gate).passphrase is None
    with pytest.raises(ConfigError, match="okx: no key"):
        credentials_of(Settings(), places(tmp_path, gate))


# What no key looks like.


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("short", "has 5 characters, and a part of a key has 6 to 256"),
        ("x" * 257, "has 257 characters"),
        (" key-of-okx-1", "has a space at an end"),
        ("key-of\nokx-1", "a character that no key has"),
        ("key-of-ókx-1", "a character that no key has"),
        ("key\u200b-of-okx-1", "a character that no key has"),
        (KEY["OKX_API_SECRET"], "are the same: one is wrong"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_not_shown(tmp_path: Path, value: str, said: str) -> None:
    line = refusal(places(tmp_path, KEY | {"OKX_API_KEY": value}))
    assert said in line and (value.strip() not in line or value == "short")


# The file.


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o660, 0o644, 0o777, 0o601])
def test_a_file_that_others_may_use_is_refused_with_how_to_correct_it(tmp_path: Path, mode: int) -> None:
    path = write_env(tmp_path, "OKX_API_KEY=key-of-okx-1\n", mode)
    with pytest.raises(ConfigError, match=f"others may read your keys .mode {mode:04o}.: chmod 600 {path}"):
        read_env_file(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_is_its_users_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert read_env_file(write_env(tmp_path, "A=b", mode)) == {"A": "b"}
    assert read_env_file(tmp_path / "none") == {}


def test_an_added_entry_is_read_back_and_the_others_stay(tmp_path: Path) -> None:
    path = write_env(tmp_path, "# mine\nA=b")
    add_to_env_file(path, "URLS", 'json://h/?a="b"#c  $d')
    assert read_env_file(path) == {"A": "b", "URLS": 'json://h/?a="b"#c  $d'} and path.read_text().startswith(
        "# mine\nA=b\n"
    )
    with pytest.raises(ConfigError, match="URLS is there already"):
        add_to_env_file(path, "URLS", "json://i")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read your keys"):
        add_to_env_file(path, "MORE", "json://i")


def test_a_link_counts_by_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("A=b")
    (tmp_path / "secret").chmod(0o644)
    (tmp_path / ENV_FILE).symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError, match="chmod 600"):
        read_env_file(tmp_path / ENV_FILE)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(mode=0o700), lambda path: os.mkfifo(path, 0o600)])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / ENV_FILE)
    hide_known(Settings(), {}, tmp_path)
    with pytest.raises(ConfigError, match="is no file: keys belong in a file of NAME=value lines"):
        read_env_file(tmp_path / ENV_FILE)


def test_lines_are_read_as_they_stand_and_nothing_is_expanded(tmp_path: Path) -> None:
    text = """
# a comment
export OKX_API_KEY = key-of-okx-1   # mine
OKX_API_SECRET='a $HOME "b" \\n # c'
OKX_API_PASSPHRASE="it's ${x}"
EMPTY=
"""
    assert read_env_file(write_env(tmp_path, text)) == {
        "OKX_API_KEY": "key-of-okx-1",
        "OKX_API_SECRET": 'a $HOME "b" \\n # c',
        "OKX_API_PASSPHRASE": "it's ${x}",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    "line",
    [
        "key-of-okx-1", "OKX_API_KEY: key-of-okx-1", "OKX API_KEY=key-of-okx-1", "A=key-of-okx-1 b", "A='key-of-okx-1",
        'A="key-of-okx-1\\n"', "A=key-of-okx-1#b", "=key-of-okx-1", "1A=key-of-okx-1", "A='key-of-okx-1'b",
    ],
)  # fmt: skip
def test_a_line_that_is_not_clear_is_refused_by_its_number_and_not_shown(tmp_path: Path, line: str) -> None:
    path = write_env(tmp_path, f"\nB=1\n{line}\n")
    with pytest.raises(ConfigError, match=f"{path}:3: is no NAME=value") as refused:
        read_env_file(path)
    assert "key-of-okx-1" not in str(refused.value)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{ENV_FILE}:3: A is also in line 1"):
        read_env_file(write_env(tmp_path, "A=1\nB=2\nA=1\n"))


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=6, max_size=80)


@given(secret=PRINTABLE.filter(lambda text: "'" not in text))
def test_whatever_a_secret_is_single_quotes_bring_it_back(
    tmp_path_factory: pytest.TempPathFactory, secret: str
) -> None:
    path = write_env(tmp_path_factory.getbasetemp(), f"A='{secret}'  # x\n")
    assert read_env_file(path) == {"A": secret}


# The keyring.


@pytest.mark.parametrize(
    ("kept", "said"),
    [(Clear(KEY), "this system has no keyring"), (None, "the keyring cannot be used: ModuleNotFoundError")],
)
def test_a_keyring_that_keeps_secrets_in_the_clear_or_is_not_there_has_none(
    tmp_path: Path, kept: Kept | None, said: str
) -> None:
    assert said in refusal(places(tmp_path, {}, kept))


def test_a_keyring_that_cannot_be_asked_is_no_keyring_without_a_key(tmp_path: Path) -> None:
    """It may hold one: nothing else may be taken in its place, and nothing said of what it holds."""
    broken = Kept(KEY, broken=f"locked, {KEY['OKX_API_KEY']}")
    SECRETS.hide(KEY.values())
    assert refusal(places(tmp_path, {}, broken)).endswith("***: unlock it, or put the key elsewhere")
    assert places(tmp_path, KEY, broken).credentials("okx", OKX).key == "key-of-okx-1", "it is asked last"


# What is masked.


@pytest.mark.parametrize("place", list(Place))
def test_whatever_is_found_is_masked_before_anything_else(tmp_path: Path, place: Place) -> None:
    key = other(f"masked-{place}")
    found = {
        Place.ENVIRONMENT: lambda: places(tmp_path, key),
        Place.CREDENTIALS: lambda: places(tmp_path, credentials=key),
        Place.FILE: lambda: places(tmp_path, {}, file=key),
        Place.KEYRING: lambda: places(tmp_path, {}, Kept(key)),
    }[place]()
    found.values(place, key)
    assert SECRETS.masked(" ".join(key.values())) == "*** *** ***"


def test_what_a_file_holds_is_masked_for_every_command_though_no_key_is_needed_and_the_file_is_wrong(
    tmp_path: Path,
) -> None:
    lines = ("OKX_API_KEY='in the-file 1' # x", "DEMO_GATE_API_SECRET=in-the-file-2", "OKX_API_SECRET=in-the file-3")
    write_env(tmp_path, "\n".join((*lines, "LOG_LEVEL=verbose")), 0o644)
    hide_known(Settings(), {"BITGET_API_KEY": "in-the-environment"}, tmp_path)
    hidden = ("in the-file 1", "in-the-file-2", "in-the file-3", "in-the-environment")
    assert [SECRETS.masked(text) for text in (*hidden, "verbose")] == ["***"] * 4 + ["verbose"]


def test_a_credential_that_every_user_may_read_or_that_is_no_text_is_refused_and_masked_elsewhere(
    tmp_path: Path,
) -> None:
    found = places(tmp_path, credentials={"OKX_API_KEY": "in-a-credential"})
    hide_known(Settings(), {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}, tmp_path)
    assert SECRETS.masked("in-a-credential") == "***"
    path = tmp_path / "credentials" / "OKX_API_KEY"
    path.chmod(0o444)
    assert refusal(found) == f"{path}: every user may read your keys: chmod 400 {path}"
    path.chmod(0o600)
    path.write_bytes(b"\xff\xfe\xff")
    assert "is no text in UTF-8" in refusal(found)
    path.unlink()
    path.mkdir(0o700)
    assert "cannot be read" in refusal(found)


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path = write_env(tmp_path, "A=b")
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        read_env_file(path)


def keyed(folder: Path, environment: Mapping[str, str], text: str) -> set[str]:
    return set(list_keys(load_text(text, Settings, "config.toml"), places(folder, environment)))


def test_keys_for_currency_lists_are_read_where_the_settings_say_so_and_a_venue_needs_one(tmp_path: Path) -> None:
    bybit = {"BYBIT_API_KEY": "key-of-bybit-1", "BYBIT_API_SECRET": "secret-of-bybit-2"}
    gate = {"GATE_API_KEY": "key-of-gate-1", "GATE_API_SECRET": "secret-of-gate-2"}
    on = "[coins]\nkeyed = true\n[venues.bybit]\nenabled = true\n[venues.binance]\nenabled = true\n"
    assert keyed(tmp_path, bybit | gate | KEY, on) == {"okx", "bybit"}  # Gate shows its list without one
    assert keyed(tmp_path, bybit | KEY, on.replace("true", "false", 1)) == set()
    assert keyed(tmp_path, bybit, "[coins]\nkeyed = true\n") == set()  # it is not enabled
    with pytest.raises(ConfigError, match="bybit: BYBIT_API_KEY is in the environment, and BYBIT_API_SECRET is not"):
        keyed(tmp_path, {"BYBIT_API_KEY": "key-of-bybit-1"}, on)
    unnamed = on.replace("[venues.binance]", 'key_env = ""\n[venues.binance]')
    with pytest.raises(ConfigError, match=r"\[venues.bybit\] key_env, secret_env: one is empty"):
        keyed(tmp_path, bybit, unnamed)


def test_a_key_of_a_venue_that_is_not_enabled_is_masked_too(tmp_path: Path) -> None:
    hide_known(Settings(), {"BINANCE_API_SECRET": "secret-of-binance-9"}, tmp_path)
    write_env(tmp_path, "BYBIT_API_SECRET='secret of bybit 8'\n")
    hide_known(Settings(), {}, tmp_path)
    for secret in ("secret-of-binance-9", "secret of bybit 8"):
        assert secret not in SECRETS.masked(f"x {secret} y")
