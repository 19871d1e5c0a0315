"""The programs of a check: servers, gateways and proxies, each with a port that it keeps."""

import random
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable

import httpx
from dev_system import GUARDIAN, environment
from interop.system import System

START_TIMEOUT = 60
STOP_TIMEOUT = 30

# Below the ports that systems give to connections.
PORTS = range(20_000, 32_000)


class Program:
    """A process, which can be killed and started again. A guardian ends it with this process."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name, self.command, self.log = name, command, log
        self.process: subprocess.Popen | None = None
        self.guardian: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), start_new_session=True,
            )  # fmt: skip
        self.guardian = subprocess.Popen(
            ["sh", "-c", GUARDIAN, "guardian", str(self.process.pid)],
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def check(self) -> None:
        """Fails if the process has ended by itself."""
        if self.process and self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended by itself: exit code {self.process.returncode}")

    def _end(self, number: int) -> None:
        if not self.process or not self.guardian:
            return
        # Before the process: its id may be another's after that.
        self.guardian.kill()
        self.guardian.wait()
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not end within {STOP_TIMEOUT} s") from None
        finally:
            self.process = self.guardian = None


class Programs:
    """All programs of a check. They are stopped at the end of the context."""

    def __init__(self, system: System, directory: Path) -> None:
        self.system, self.directory = system, directory
        self.running: list[Program] = []
        self.ports = random.sample(PORTS, len(PORTS))

    def __enter__(self) -> "Programs":
        self.directory.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.running:
            program.kill()

    def port(self) -> int:
        """Returns a port that nobody uses."""
        while True:
            port = self.ports.pop()
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue

    def server(self, name: str, *options: str, database_url: str | None = None) -> tuple[Program, int]:
        """Starts a server, on the system's database unless another one is given, and returns it with its port."""
        port = self.port()
        url = database_url or self.system.database_url
        command = [str(self.system.program), "serve", "--database-url", url, "--grpc-addr", f"127.0.0.1:{port}"]
        return self.start(name, [*command, "--log-format", "json", *options]), port

    def gateway(self, name: str, upstream: str, *options: str) -> tuple[Program, int]:
        """Starts a gateway, and returns it with its port."""
        port = self.port()
        addresses = ["--http-addr", f"127.0.0.1:{port}", "--upstream", upstream]
        command = [str(self.system.program.with_name("caseload-gateway")), *addresses]
        return self.start(name, [*command, "--log-format", "json", *options]), port

    def start(self, name: str, command: list[str]) -> Program:
        program = Program(name, command, self.directory / f"{name}.log")
        program.start()
        self.running.append(program)
        return program

    def check(self) -> None:
        """Fails if a program has ended by itself, or panicked."""
        for program in self.running:
            program.check()
            if "panicked" in program.log.read_text(errors="replace"):
                raise AssertionError(f"{program.name} panicked")

    def await_server(self, port: int) -> None:
        """Waits until a server serves."""
        command = [self.system.program, "health", "--grpc-addr", f"127.0.0.1:{port}"]
        wait_until(lambda: subprocess.run(command, capture_output=True, env=environment()).returncode == 0, "server")

    def await_gateway(self, port: int) -> None:
        """Waits until a gateway, or what is before it, is ready."""
        await_http(f"http://127.0.0.1:{port}/readyz")

    def ends_of_logs(self) -> str:
        """Returns the last lines of each log."""
        ends = []
        for log in sorted(self.directory.glob("*.log")):
            lines = [line for line in log.read_text(errors="replace").splitlines() if '"level":"INFO"' not in line]
            ends += [f"--- {log.name}", *lines[-15:]]
        return "\n".join(ends)


def await_http(url: str) -> None:
    """Waits until a URL is answered with 200."""

    def answers() -> bool:
        try:
            return httpx.get(url, trust_env=False, timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, url)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Waits until a function returns a true value."""
    deadline = time.monotonic() + START_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not reached within {START_TIMEOUT} s: {what}")
        time.sleep(0.05)

