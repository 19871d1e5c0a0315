"""Starts a system with two servers and two gateways, and runs the checks one after another."""

import argparse
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from interop.system import System

from . import ejection, front, retries, statuses
from .programs import Programs
from .run import Run

CHECKS = {
    "sidecars": retries.safe,
    "defaults": retries.defaults,
    "ejection": ejection.check,
    "statuses": statuses.check,
    "envoy": front.envoy,
    "nginx": front.nginx,
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mesh", description=__doc__)
    parser.add_argument("--program", type=Path, required=True, help="the program caseload")
    parser.add_argument("--nginx", type=Path, help="the program nginx; without it, nginx is not checked")
    parser.add_argument("--seconds", type=float, default=6, help="how long each check disturbs the traffic")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of all that is random")
    parser.add_argument("--check", action="append", choices=CHECKS, help="only this one; may be repeated")
    return parser.parse_args()


def main() -> int:
    # Ends the process by an exception, so that everything is stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    chosen = options()
    print(f"mesh: --seed {chosen.seed} --seconds {chosen.seconds:g}", flush=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="mesh-") as path, System(chosen.program, Path(path)) as system:
        for name in chosen.check or CHECKS:
            if name == "nginx" and chosen.nginx is None:
                print("mesh: nginx: not checked: the program is missing", flush=True)
                continue
            begin = time.monotonic()
            with Programs(system, Path(path) / name) as programs:
                try:
                    outcome = CHECKS[name](Run(system, programs, random.Random(f"{chosen.seed} {name}"), chosen))
                except Exception:
                    traceback.print_exc()
                    print(f"mesh: the ends of the logs:\n{programs.ends_of_logs()}", file=sys.stderr)
                    outcome = "FAILED"
                    failed.append(name)
            print(f"mesh: {name}: {outcome} ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"mesh: {'failed: ' + ', '.join(failed) if failed else 'all checks passed'}")
    return 1 if failed else 0


sys.exit(main())
