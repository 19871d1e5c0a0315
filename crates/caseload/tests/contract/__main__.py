"""Starts a system, has schemathesis and a validator judge it by its OpenAPI document, and stops it."""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from interop.system import System, environment

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="contract", description=__doc__)
    parser.add_argument("--program", type=Path, required=True, help="the program caseload")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of all that is random")
    parser.add_argument("--examples", type=int, help="how many requests are drawn for each operation, and sequences")
    parser.add_argument("--check", action="append", choices=CHECKS, help="only this one; may be repeated")
    parser.add_argument("--unconfigured", action="store_true", help="run schemathesis with its defaults instead")
    return parser.parse_args()


def prepare(system: System) -> None:
    """Creates tasks 1 to 50 in case 1, which schemathesis.toml names, and a record of an idempotency key."""
    for key in ("contract-1", "contract-2"):
        tasks = [{"description": f"{key}-{number}", "assignee_emails": ["user1@example.com"]} for number in range(25)]
        request = urllib.request.Request(
            f"{system.rest_url}/api/v2/cases/1/tasks/batch",
            data=json.dumps({"tasks": tasks}).encode(),
            headers={
                "Authorization": f"Bearer {system.key}", "Content-Type": "application/json", "Idempotency-Key": key,
            },
        )  # fmt: skip
        urllib.request.urlopen(request).close()


def validate(system: System, chosen: argparse.Namespace) -> int:
    """The document is one of OpenAPI 3.1."""
    document = system.directory / "openapi.json"
    with urllib.request.urlopen(f"{system.rest_url}/openapi.json") as response:
        document.write_bytes(response.read())
    return subprocess.run([BIN / "openapi-spec-validator", document], check=False).returncode


def requests(system: System, chosen: argparse.Namespace) -> int:
    """What the document says of each request is what is served."""
    return schemathesis(system, chosen, "--phases", "examples,coverage,fuzzing")


def sequences(system: System, chosen: argparse.Namespace) -> int:
    """So is what it says of sequences of requests, by its links."""
    # After the other phases, in the same run, schemathesis follows next to none of them.
    return schemathesis(system, chosen, "--phases", "stateful")


def unconfigured(system: System, chosen: argparse.Namespace) -> int:
    """What a stranger finds, who has the address and a key."""
    return schemathesis(system, chosen, "--header", f"Authorization: Bearer {system.key}")


def schemathesis(system: System, chosen: argparse.Namespace, *arguments: str) -> int:
    """Runs schemathesis. Returns its exit code."""
    command = [BIN / "schemathesis", "--no-color"]
    common = ["--seed", str(chosen.seed)]
    if chosen.examples:
        common += ["--max-examples", str(chosen.examples)]
    variables = {}
    if not chosen.unconfigured:
        command += ["--config-file", HERE / "schemathesis.toml"]
        variables = {
            "CONTRACT_KEY": system.key,
            # The configuration names the hooks as a module.
            "PYTHONPATH": str(HERE.parent),
        }
    # schemathesis looks for a configuration where it is started.
    return subprocess.run(
        [*command, "run", f"{system.rest_url}/openapi.json", *common, *arguments],
        cwd=system.directory, env=environment() | variables, check=False
    ).returncode  # fmt: skip


CHECKS: dict[str, Callable[[System, argparse.Namespace], int]] = {
    "validator": validate,
    "requests": requests,
    "sequences": sequences,
}


def main() -> int:
    # Ends the process by an exception, so that the system is stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    chosen = options()
    print(f"contract: --seed {chosen.seed}", flush=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="contract-") as path, System(chosen.program, Path(path)) as system:
        prepare(system)
        checks = {"unconfigured": unconfigured} if chosen.unconfigured else CHECKS
        for name, check in checks.items():
            if chosen.check and name not in chosen.check:
                continue
            begin = time.monotonic()
            outcome = "passed" if check(system, chosen) == 0 else "FAILED"
            if outcome == "FAILED":
                failed.append(name)
            print(f"contract: {name}: {outcome} ({time.monotonic() - begin:.1f} s)", flush=True)
        if failed:
            print(f"contract: the end of the system's log:\n{system.end_of_log()}", file=sys.stderr)
    print(f"contract: {'failed: ' + ', '.join(failed) if failed else 'all checks passed'}")
    return 1 if failed else 0


sys.exit(main())
