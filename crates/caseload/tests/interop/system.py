"""The system under test: `caseload dev` on a directory of its own, and the command line beside it."""

import json
import os
import subprocess
import time
from pathlib import Path

START_TIMEOUT = 120
STOP_TIMEOUT = 60

# Ends the process whose id is its argument once standard input ends: when whoever started both is gone.
GUARDIAN = 'cat >/dev/null; kill -s TERM "$1"'


class System:
    """A running `caseload dev`. It is stopped at the end of the context."""

    def __init__(self, program: Path, directory: Path, variables: dict[str, str] | None = None) -> None:
        """Starts the program with more environment variables."""
        self.variables = variables or {}
        self.program = program.resolve()
        self.directory = directory
        self.log = directory / "log"
        self.guardian: subprocess.Popen | None = None

    def __enter__(self) -> "System":
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
            self.admin_key = self.new_key("admin")
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

    def new_key(self, *scopes: str) -> str:
        """Creates an API key with scopes, of the tenant that the example has."""
        command = ["admin", "--json", "key", "create", "--tenant", "Demo", "interop"]
        for scope in scopes:
            command += ["--scope", scope]
        created = self.start(command, CASELOAD_DATABASE_URL=self.database_url).communicate()[0]
        return json.loads(created)["key"]

    def start(self, arguments: list[str], **variables: str) -> subprocess.Popen:
        """Starts the program with arguments and environment variables. Its errors are shown."""
        return subprocess.Popen(
            [self.program, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment() | variables,
        )  # fmt: skip

    def start_import(self, key: str, *arguments: str) -> subprocess.Popen:
        """Starts an import with a key, of which the summary is JSON."""
        command = [*arguments, "--json"]
        return self.start(command, CASELOAD_SERVER=self.grpc_url, CASELOAD_API_KEY=key)

    def run_import(self, key: str, *arguments: str) -> dict:
        """Runs an import, which must succeed, and returns its summary."""
        process = self.start_import(key, *arguments)
        summary = process.communicate()[0]
        if process.returncode != 0:
            raise AssertionError(f"{arguments}: exit code {process.returncode}: {summary}")
        return json.loads(summary)


def environment() -> dict[str, str]:
    """Returns the environment without what would configure Caseload."""
    kept = "CASELOAD_POSTGRES_BIN"
    return {name: value for name, value in os.environ.items() if not name.startswith("CASELOAD_") or name == kept}
