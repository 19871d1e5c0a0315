"""The examples, and how each is started."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dev_system import environment

EXAMPLES = Path("docs/clients")
NAMES = [
    "buf/create_tasks.sh", "curl/create_tasks.sh", "go/main.go", "grpcurl/create_tasks.sh", "python/grpc_client.py",
    "python/rest.py", "rust/create_tasks.rs", "typescript/grpc.ts", "typescript/rest.ts",
]  # fmt: skip
# Longer than an example tries, and asks what became of its request.
TIMEOUT = 90


@dataclass
class Example:
    """A program that creates two tasks in the case that is its argument."""

    name: str
    is_grpc: bool
    command: list[str]

    def run(self, url: str, key: str, case_id: int) -> "Outcome":
        """Runs it to its end."""
        variables = {"CASELOAD_API_KEY": key, "no_proxy": "*"}
        variables["CASELOAD_SERVER" if self.is_grpc else "CASELOAD_URL"] = url
        done = subprocess.run(
            [*self.command, str(case_id)], env=environment() | variables,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass
class Outcome:
    """What an example has left."""

    status: int
    stdout: str
    stderr: str

    def task_ids(self) -> list[int]:
        """Returns the ids that it has printed."""
        document = json.loads(self.stdout)
        if "tasks" in document:  # as the response of a create has them
            return [int(task["id"]) for task in document["tasks"]]
        found = document.get("idempotency_key") or document.get("record") or document
        return [int(id) for id in found.get("task_ids") or found["taskIds"]]


def examples(built: Path, rust: Path | None, go: Path | None) -> list[Example]:
    """Returns the examples that this machine can run. `built` has what was generated and compiled."""
    node = shutil.which("node")
    buf = built / "typescript/node_modules/.bin/buf"
    found = [
        Example("python/rest.py", False, [sys.executable, str(EXAMPLES / "python/rest.py")]),
        Example("python/grpc_client.py", True, [sys.executable, str(EXAMPLES / "python/grpc_client.py")]),
    ]
    if node and (built / "typescript/built/rest.js").exists():
        found.append(Example("typescript/rest.ts", False, [node, str(built / "typescript/built/rest.js")]))
        found.append(Example("typescript/grpc.ts", True, [node, str(built / "typescript/built/grpc.js")]))
    if has_curl():
        found.append(Example("curl/create_tasks.sh", False, ["sh", str(EXAMPLES / "curl/create_tasks.sh")]))
    if node and buf.exists():  # buf's package starts it with node
        script = ["env", f"BUF={buf}", "sh", str(EXAMPLES / "buf/create_tasks.sh")]
        found.append(Example("buf/create_tasks.sh", True, script))
    if rust and rust.exists():
        found.append(Example("rust/create_tasks.rs", True, [str(rust)]))
    if go:
        found.append(Example("go/main.go", False, [str(go)]))
    return found


def once(grpcurl: Path | None) -> list[Example]:
    """Returns the examples that make one attempt only."""
    script = ["env", f"GRPCURL={grpcurl}", "sh", str(EXAMPLES / "grpcurl/create_tasks.sh")]
    return [Example("grpcurl/create_tasks.sh", True, script)] if grpcurl else []


def typed_calls(built: Path) -> list[Example]:
    """Returns the program that makes calls with types of the OpenAPI document, if it was compiled."""
    node, compiled = shutil.which("node"), built / "typescript/built/typed_calls.js"
    return [Example("typed_calls.ts", False, [node, str(compiled)])] if node and compiled.exists() else []


def has_curl() -> bool:
    """Whether there is a curl that knows --retry-all-errors."""
    try:
        version = subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        return False
    found = re.match(r"curl (\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= (7, 71)
