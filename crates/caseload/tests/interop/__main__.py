"""Starts a system, runs the checks one after another, and stops the system."""

import argparse
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from . import buf_curl, directory, family, history, imports, mutual_tls, task_life, walk
from .run import Run
from .system import System

CHECKS = {
    "family": family.check,
    "tasks": task_life.check,
    "directory": directory.check,
    "buf": buf_curl.check,
    "mutual-tls": mutual_tls.check,
    "imports": imports.check,
    "walk": walk.check,
    "history": history.check,
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="interop", description=__doc__)
    parser.add_argument("--program", type=Path, required=True, help="the program caseload")
    parser.add_argument("--buf", type=Path, help="the program buf; without it, buf curl is not run")
    parser.add_argument("--rows", type=int, default=100_000, help="how many users and tasks are imported and listed")
    parser.add_argument("--import-limit", type=float, help="the most seconds that an import of so many may take")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of all that is random")
    parser.add_argument("--check", action="append", choices=CHECKS, help="only this one; may be repeated")
    return parser.parse_args()


def main() -> int:
    # Ends the process by an exception, so that the system is stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    chosen = options()
    print(f"interop: --seed {chosen.seed} --rows {chosen.rows}", flush=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="interop-") as path, System(chosen.program, Path(path)) as system:
        for name in chosen.check or CHECKS:
            run = Run(system, random.Random(f"{chosen.seed} {name}"), chosen)
            begin = time.monotonic()
            try:
                outcome = CHECKS[name](run)
            except Exception:
                traceback.print_exc()
                outcome = "FAILED"
                failed.append(name)
            print(f"interop: {name}: {outcome} ({time.monotonic() - begin:.1f} s)", flush=True)
        if failed:
            print(f"interop: the end of the system's log:\n{system.end_of_log()}", file=sys.stderr)
    print(f"interop: {'failed: ' + ', '.join(failed) if failed else 'all checks passed'}")
    return 1 if failed else 0


sys.exit(main())
