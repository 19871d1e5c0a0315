"""A running `caseload dev`, on a directory of its own: what the checks in Python call."""

import json
import os
import subprocess
import time
from pathlib import Path

START_TIMEOUT = 120
STOP_TIMEOUT = 60

# Ends the process whose id is its argument once standard input ends: when whoever started both is gone.
GUARDIAN = 'cat >/dev/null; kill -s TERM "$1"'


class DevSystem:
    """A running `caseload dev`. It is stopped at the end of the context."""

    def __init__(self, program: Path, directory: Path, variables: dict[str, str] | None = None) -> None:
        """Starts the program with more environment variables."""
        self.variables = variables or {}
        self.program = program.resolve()
        self.directory = directory
        self.log = directory / "log"
        self.guardian: subprocess.Popen | None = None

    def __enter__(self):
        ready_file = self.directory / "ready.json"
        arguments = [
            "dev", "--data-dir", self.directory / "data", "--ready-file", ready_file,
            "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--log-format", "json",
        ]  # fmt: skip
        # Postgres runs as another user where this one is root.
        self.directory.chmod(0o755)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [self.program, *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment() | self.variables,
                start_new_session=True,
            )  # fmt: skip
        try:
            self.guardian = subprocess.Popen(
                ["sh", "-c", GUARDIAN, "guardian", str(self.process.pid)],
                stdin=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            self._await_ready(ready_file)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _await_ready(self, ready_file: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"caseload dev did not start:\n{self.end_of_log()}")
            time.sleep(0.05)
        ready = json.loads(ready_file.read_text())
        self.rest_url: str = ready["rest_url"]
        self.grpc_url: str = ready["grpc_url"]
        self.database_url: str = ready["database_url"]
        self.key: str = ready["api_key"]
        """A key that may read and write tasks and cases."""
        self.case_id: int = ready["case_id"]
        """The case that the example has."""

    def _stop(self) -> None:
        # Before the process: its id may be another's after that.
        if self.guardian:
            self.guardian.kill()
            self.guardian.wait()
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def grpc_address(self) -> str:
        """The address of the server, as HOST:PORT."""
        return self.grpc_url.split("://")[1]

    @property
    def rest_address(self) -> str:
        """The address of the gateway, as HOST:PORT."""
        return self.rest_url.split("://")[1]

    def end_of_log(self) -> str:
        """Returns the last lines of the log, without those of requests that went as they should."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if '"level":"INFO"' not in line][-20:])


def environment() -> dict[str, str]:
    """Returns the environment without what would configure Caseload or a client."""
    kept = "CASELOAD_POSTGRES_BIN"
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("CASELOAD_", "OTEL_")) or name == kept
    }
