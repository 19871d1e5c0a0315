"""Starts a system, has schemathesis and a validator judge it by its OpenAPI document, and stops it."""

import argparse
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import checks
from interop.system import System, environment

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def options() -> argparse.Namespace:
    parser = checks.parser("contract", __doc__, CHECKS)
    parser.add_argument("--examples", type=int, help="how many requests are drawn for each operation, and sequences")
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


def validate(system: System, chosen: argparse.Namespace) -> str:
    """The document is one of OpenAPI 3.1."""
    document = system.directory / "openapi.json"
    with urllib.request.urlopen(f"{system.rest_url}/openapi.json") as response:
        document.write_bytes(response.read())
    subprocess.run([BIN / "openapi-spec-validator", document], check=True)
    return "passed"


def requests(system: System, chosen: argparse.Namespace) -> str:
    """What the document says of each request is what is served."""
    return schemathesis(system, chosen, "--phases", "examples,coverage,fuzzing")


def sequences(system: System, chosen: argparse.Namespace) -> str:
    """So is what it says of sequences of requests, by its links."""
    # After the other phases, in the same run, schemathesis follows next to none of them.
    return schemathesis(system, chosen, "--phases", "stateful")


def unconfigured(system: System, chosen: argparse.Namespace) -> str:
    """What a stranger finds, who has the address and a key."""
    return schemathesis(system, chosen, "--header", f"Authorization: Bearer {system.key}")


def schemathesis(system: System, chosen: argparse.Namespace, *arguments: str) -> str:
    """Runs schemathesis, which must find nothing."""
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
    subprocess.run(
        [*command, "run", f"{system.rest_url}/openapi.json", *common, *arguments],
        cwd=system.directory, env=environment() | variables, check=True
    )  # fmt: skip
    return "passed"


CHECKS: dict[str, Callable[[System, argparse.Namespace], str]] = {
    "validator": validate,
    "requests": requests,
    "sequences": sequences,
}


def main() -> int:
    chosen = options()
    print(f"contract: --seed {chosen.seed}", flush=True)
    with checks.started("contract", System, chosen.program) as system:
        prepare(system)
        found = {"unconfigured": unconfigured} if chosen.unconfigured else CHECKS
        names = [name for name in found if not chosen.check or name in chosen.check]
        code = checks.run("contract", [(name, partial(found[name], system, chosen)) for name in names])
        if code:
            print(f"contract: the end of the system's log:\n{system.end_of_log()}", file=sys.stderr)
    return code


sys.exit(main())
