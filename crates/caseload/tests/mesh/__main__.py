"""Starts a system with several servers and gateways, and runs the checks one after another."""

import argparse
import random
import sys
from functools import partial
from pathlib import Path

import checks
from interop.system import System

from . import ejection, front, hosts, retries, statuses, three
from .programs import Programs
from .run import Run

CHECKS = {
    "sidecars": retries.safe,
    "defaults": retries.defaults,
    "ejection": ejection.check,
    "statuses": statuses.check,
    "three": three.check,
    "envoy": front.envoy,
    "envoy-losses": front.envoy_losses,
    "nginx": front.nginx,
    "nginx-losses": front.nginx_losses,
    "envoy-hosts": hosts.envoy,
    "nginx-hosts": hosts.nginx,
    "nginx-repeats": front.nginx_that_repeats,
}


def options() -> argparse.Namespace:
    parser = checks.parser("mesh", __doc__, CHECKS)
    parser.add_argument("--nginx", type=Path, help="the program nginx; without it, nginx is not checked")
    parser.add_argument("--seconds", type=float, default=6, help="how long each check disturbs the traffic")
    return parser.parse_args()


def check(name: str, system: System, chosen: argparse.Namespace) -> str:
    """Runs a check with programs of its own."""
    if name.startswith("nginx") and chosen.nginx is None:
        return "NOT CHECKED: nginx is not there"
    with Programs(system, system.directory / name) as programs:
        try:
            return CHECKS[name](Run(system, programs, random.Random(f"{chosen.seed} {name}"), chosen))
        except Exception:
            print(f"mesh: the ends of the logs:\n{programs.ends_of_logs()}", file=sys.stderr)
            raise


def main() -> int:
    chosen = options()
    print(f"mesh: --seed {chosen.seed} --seconds {chosen.seconds:g}", flush=True)
    with checks.started("mesh", System, chosen.program) as system:
        names = chosen.check or CHECKS
        return checks.run("mesh", [(name, partial(check, name, system, chosen)) for name in names])


sys.exit(main())
