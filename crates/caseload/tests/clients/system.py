"""The system that the examples call: `caseload dev` on a directory of its own."""

import http.client
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

    def __init__(self, program: Path, directory: Path) -> None:
        self.program = program.resolve()
        self.directory = directory
        self.log = directory / "log"

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
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment(), start_new_session=True,
            )  # fmt: skip
        self.guardian = subprocess.Popen(
            ["sh", "-c", GUARDIAN, "guardian", str(self.process.pid)],
            stdin=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
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
                raise RuntimeError(f"caseload dev did not start:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        ready = json.loads(ready_file.read_text())
        self.rest_address: str = ready["rest_url"].removeprefix("http://")
        self.grpc_address: str = ready["grpc_url"].removeprefix("http://")
        self.key: str = ready["api_key"]

    def _stop(self) -> None:
        # Before the process: its id may be another's after that.
        self.guardian.kill()
        self.guardian.wait()
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def new_case(self) -> int:
        """Creates a case without tasks, and returns its id."""
        return self._call("POST", "/api/v2/cases", {"name": "Example"})["case_id"]

    def task_ids(self, case_id: int) -> list[int]:
        """Returns the ids of all tasks of a case."""
        return [task["id"] for task in self._call("GET", f"/api/v2/cases/{case_id}/tasks")["tasks"]]

    def _call(self, method: str, path: str, body: dict | None = None) -> dict:
        connection = http.client.HTTPConnection(self.rest_address, timeout=20)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection.request(method, path, body and json.dumps(body), headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer!r}")
        return json.loads(answer)


def environment() -> dict[str, str]:
    """Returns the environment without what would configure Caseload or a client."""
    kept = "CASELOAD_POSTGRES_BIN"
    return {name: value for name, value in os.environ.items() if not name.startswith("CASELOAD_") or name == kept}
