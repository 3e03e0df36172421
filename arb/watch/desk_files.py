"""The files for Prometheus and Grafana: a configuration, alert rules, a board, and the list of all metrics."""

from pathlib import Path

from arb.errors import ConfigError
from arb.files import put_whole
from arb.watch.metrics import METRICS

SOURCE = Path(__file__).with_name("files")
BOARD, CONFIG, RULES = SHIPPED = ("arb.json", "prometheus.yml", "arb.rules.yml")
LIST = "METRICS.md"
DEFAULT_LISTEN = "127.0.0.1:9464"
"""The address in the configuration as it is shipped."""


def list_of_metrics() -> str:
    """Return the page with every metric, its kind, its labels and its meaning."""
    rows = "".join(
        f"| `{name}` | {one.kind(name)} | {', '.join(one.labels) or '-'} | {one.help} |\n"
        for name, one in METRICS.items()
    )
    return f"# Metrics of arb watch\n\n| metric | kind | labels | value |\n|---|---|---|---|\n{rows}"


def write_files(folder: Path, listen: str) -> list[Path]:
    """Write the files into a folder, made where there is none, and return their places; `listen` is the address to scrape.

    Every user of the machine may read them: Prometheus and Grafana run as others.

    Raises `ConfigError` where one of them exists with another content, or the folder takes none.
    """
    found = {folder / name: (SOURCE / name).read_text(encoding="utf-8") for name in SHIPPED}
    found[folder / LIST] = list_of_metrics()
    found[folder / CONFIG] = found[folder / CONFIG].replace(DEFAULT_LISTEN, listen)
    try:
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(0o755)
        for path, text in found.items():
            if path.exists() and path.read_bytes() != text.encode():
                raise ConfigError(f"{path}: exists and differs: move it away, or choose another folder")
        for path, text in found.items():
            put_whole(path, text.encode())
            path.chmod(0o644)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}: choose another folder") from None
    return list(found)
