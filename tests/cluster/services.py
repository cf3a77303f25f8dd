"""What a cluster leans on, outside of it: MLflow on Postgres, and an S3. Each can be taken away for a while."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from tests.cluster.rig import ROOT, Rig

_POSTGRES_USER = "postgres"
_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def missing() -> str | None:
    """Return why this machine cannot have them, or None."""
    if not _BINARIES:
        return "there is no Postgres: apt-get install postgresql"
    for module in ("moto", "boto3", "psycopg"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed: pip install -r tests/cluster/requirements.txt"
    return None


class Services:
    """MLflow, Postgres behind it, and S3, on the rig's outside.

    Attributes:
        mlflow_uri: Address of the tracking server.
        storage: Address for a study's checkpoints.
        environment: What whoever uses them has in its environment.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._folder = rig.folder / "services"
        self._password = secrets.token_hex(8)
        self._s3: subprocess.Popen[bytes] | None = None
        self._mlflow: subprocess.Popen[bytes] | None = None
        host = rig.outside.address
        self.mlflow_uri = f"http://{host}:5000"
        self.storage = "s3://studies/checkpoints"
        self.environment = {
            "AWS_ACCESS_KEY_ID": "rig",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(8),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:5001",
        }

    def start(self) -> None:
        """Begin, and wait until MLflow answers."""
        self._folder.mkdir()
        database = self._folder / "postgres"
        database.mkdir()
        shutil.chown(database, _POSTGRES_USER)
        for folder in (self._rig.folder, self._folder):
            folder.chmod(0o711)
        (self._folder / "password").write_text(self._password)
        shutil.chown(self._folder / "password", _POSTGRES_USER)
        self._postgres(
            "initdb", "-D", str(database), "-A", "scram-sha-256", "-U", "mlflow",
            "--pwfile", str(self._folder / "password"), "--no-sync",
        )  # fmt: skip
        with (database / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {self._rig.network}.0/24 scram-sha-256\n")
        self.start_postgres()
        self._s3 = self._serve("s3.log", sys.executable, "-m", "moto.server", "-H", self._rig.outside.address, "-p5001")
        uri = f"postgresql://mlflow:{quote(self._password)}@{self._rig.outside.address}:5432/postgres"
        make_bucket = "import boto3; boto3.client('s3').create_bucket(Bucket='studies')"
        self._until(lambda: self._rig.outside.python(make_bucket, **self.environment), 60)
        self._mlflow = self._serve(
            "mlflow.log", sys.executable, "-m", "mlflow", "server", "--host", self._rig.outside.address,
            "--port", "5000", "--workers", "1", "--allowed-hosts", "*", "--backend-store-uri", uri,
            "--artifacts-destination", "s3://studies/artifacts",
        )  # fmt: skip
        ask = f"import urllib.request; urllib.request.urlopen('{self.mlflow_uri}/health', timeout=5)"
        self._until(lambda: self._rig.outside.python(ask), 180)

    def stop(self) -> None:
        """End them."""
        for process in (self._mlflow, self._s3):
            if process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGCONT)
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)
        with suppress(AssertionError):
            self.stop_postgres()

    def start_postgres(self) -> None:
        """Let Postgres begin, or begin anew."""
        options = f"-c listen_addresses={self._rig.outside.address} -c unix_socket_directories= -c fsync=off"
        log = str(self._folder / "postgres" / "log")
        self._postgres("pg_ctl", "-D", str(self._folder / "postgres"), "-w", "-l", log, "-o", options, "start")

    def stop_postgres(self) -> None:
        """End Postgres as a power cut does."""
        self._postgres("pg_ctl", "-D", str(self._folder / "postgres"), "-w", "-m", "immediate", "stop")

    def stop_s3(self) -> None:
        """Let S3 take requests and answer none."""
        assert self._s3 is not None
        os.killpg(self._s3.pid, signal.SIGSTOP)

    def start_s3(self) -> None:
        """Let it answer again."""
        assert self._s3 is not None
        os.killpg(self._s3.pid, signal.SIGCONT)

    def _postgres(self, program: str, *arguments: str) -> None:
        log = (self._folder / "pg.log").open("ab")
        done = subprocess.run(
            ["ip", "netns", "exec", self._rig.outside.name, "runuser", "-u", _POSTGRES_USER, "--",
             str(_BINARIES[-1] / program), *arguments],
            cwd="/", timeout=60, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        assert done.returncode == 0, (self._folder / "pg.log").read_text()[-2000:]

    def _serve(self, log: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self._folder / log).open("ab") as file:
            return subprocess.Popen(
                self._rig.outside.command(*arguments),
                env={**self._rig.environment, **self.environment}, cwd=ROOT, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip

    def _until(self, work: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                work()
                return
            except AssertionError:
                logs = "\n".join(path.read_text()[-2000:] for path in self._folder.glob("*.log"))
                ended = [each for each in (self._s3, self._mlflow) if each is not None and each.poll() is not None]
                assert not ended, logs
                assert time.monotonic() < deadline, logs
                time.sleep(0.5)
