"""Which MLflow store a command writes to: one answer for all commands, refused before Ray starts where it is none."""

import os
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from experiments.shared.job_storage import results_folder, results_path
from vlm_rewards.credentials import URI_VARIABLE, remember, with_password
from vlm_rewards.errors import ConfigError, TrackingError

_SQLITE = "sqlite:///"
_CONNECT_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
# What pip calls those whose own build needs a compiler. SQLAlchemy 2.1 takes the first for postgresql://.
_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}
_DATABASES = ("postgresql", "mysql", "mssql")


def choose_store(option: str | None, preset: str | None, folder: Path) -> str:
    """Return the store's address: the option's, else the preset's, else MLFLOW_TRACKING_URI's, else sqlite in a folder.

    The address is complete and absolute, and holds no password: that stays in the environment.

    Args:
        option: What the command line says.
        preset: What the preset says.
        folder: For the sqlite store, absolute.

    Raises:
        ConfigError: It is no address that MLflow knows.
    """
    given = option or preset or os.environ.get(URI_VARIABLE)
    if not given:
        return f"{_SQLITE}{folder / 'mlflow.db'}"
    return remember(_absolute(given.strip()))


def _absolute(uri: str) -> str:
    scheme = uri.partition(":")[0].partition("+")[0].lower()
    if scheme == "sqlite":
        if not uri.startswith(_SQLITE) or not uri.removeprefix(_SQLITE).strip("/"):
            raise ConfigError(f"cannot read the MLflow address {uri!r}: write a sqlite file as sqlite:////full/path.db")
        # Workers have other working directories.
        return f"{_SQLITE}{results_path(uri.removeprefix(_SQLITE))}"
    if "://" in uri and scheme in _PORTS:
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(
                f"cannot read the MLflow address {uri!r} ({error}): write it as http://HOST:5000"
            ) from error
        if not host or port == 0:
            raise ConfigError(f"the MLflow address {uri!r} names no host: write it as {scheme}://HOST/...")
        return uri
    if scheme == "databricks":
        return uri
    raise ConfigError(
        f"MLflow keeps no runs at {uri!r}: give a server (http://HOST:5000), a database (postgresql://USER@HOST/NAME) "
        "or a sqlite file (sqlite:////full/path.db)"
    )


def check_still_there(uri: str | None, folder: Path) -> None:
    """Make sure that the sqlite store of what `folder` holds has not been moved: a new one in its place knows nothing.

    Args:
        uri: As the folder's settings have it.
        folder: Folder of a run or study that has begun.

    Raises:
        ConfigError: The file is gone.
    """
    if uri is None or not uri.startswith(_SQLITE):
        return
    database = Path(uri.removeprefix(_SQLITE))
    if not database.is_file():
        raise ConfigError(
            f"the MLflow store of {folder}, {database}, is not there: mlflow.db and mlartifacts belong to it, "
            f"and MLflow keeps full paths; bring them back, or let {database.parent} be a link to where they are now"
        )


def check_store(uri: str) -> None:
    """Make sure that a store can be reached, within seconds.

    Args:
        uri: As `choose_store` returns it.

    Raises:
        ConfigError: Its folder cannot be written, or its driver is not installed.
        TrackingError: Nothing answers there, or what answers is no MLflow server.
    """
    scheme = uri.partition(":")[0]
    family = scheme.partition("+")[0]
    if family == "sqlite":
        _check_file(Path(uri.removeprefix(_SQLITE)))
        return
    if family in _DATABASES:
        _check_driver(uri)
    parts = urlsplit(uri)
    if family in _PORTS and parts.hostname and not _behind_proxy(family):
        _check_port(uri, parts.hostname, parts.port or _PORTS[family])
    if family in ("http", "https"):
        _check_server(uri)


def _check_file(database: Path) -> None:
    results_folder(database.parent)
    if database.is_dir():
        raise ConfigError(f"the MLflow store {database} is a folder: name a file in it, such as {database}/mlflow.db")
    if not database.is_file():
        return
    if not os.access(database, os.R_OK | os.W_OK):
        raise ConfigError(f"the MLflow store {database} may not be written by this user: name another")
    with database.open("rb") as file:
        head = file.read(16)
    if head and head != b"SQLite format 3\0":
        raise ConfigError(f"{database} is no sqlite file: name another file for the MLflow store")


def _check_driver(uri: str) -> None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except ImportError as error:
        raise ConfigError(
            f"the driver of the MLflow store {uri} is not installed ({error.name or error}): pip install "
            f"{_DRIVERS.get(error.name or '', error.name or 'it')}, on every node"
        ) from error
    except (SQLAlchemyError, ValueError) as error:
        raise ConfigError(f"cannot read the MLflow address {uri} ({_first_line(error)}): check it") from error


def _check_port(uri: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except OSError as error:
        raise TrackingError(
            f"nothing answers at the MLflow store {uri} ({host}:{port}: {_first_line(error)}): check the address and "
            "that the server runs, or leave --mlflow-uri out to use a local sqlite file"
        ) from error


def _check_server(uri: str) -> None:
    """Ask a server for one experiment, once: what is no MLflow server says so now, and not after Ray has started."""
    import requests

    try:
        answer = requests.get(
            f"{with_password(uri).rstrip('/')}/api/2.0/mlflow/experiments/search",
            params={"max_results": 1},
            timeout=2 * _CONNECT_SECONDS,
            headers=_headers(),
            auth=_user(),
        )
    except requests.RequestException as error:
        raise TrackingError(
            f"the MLflow server {uri} does not answer ({_first_line(error)}): check the address and that it runs"
        ) from error
    if answer.status_code in (401, 403):
        raise TrackingError(
            f"the MLflow server {uri} refuses this client ({answer.status_code}): check MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, and the server's --allowed-hosts"
        )
    if answer.status_code == 404:
        raise TrackingError(f"what answers at {uri} is no MLflow server (404): check the address")


def _headers() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _user() -> tuple[str, str] | None:
    name = os.environ.get("MLFLOW_TRACKING_USERNAME")
    return (name, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if name else None


def _behind_proxy(scheme: str) -> bool:
    return any(os.environ.get(name) for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()))


def _first_line(error: BaseException) -> str:
    from vlm_rewards.credentials import hide_passwords

    return re.sub(r"\s+", " ", hide_passwords(str(error)))[:160] or type(error).__name__
