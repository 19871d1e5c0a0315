"""Three gateways and three servers behind Envoy, with deploy/envoy.yaml, of which one of each is killed at once."""

import time

from .audit import Audit
from .ejection import await_batches
from .front import Fleet, loaded, start_envoy
from .run import Run, holds

SERVERS = ["server-a", "server-b", "server-c"]
GATEWAYS = ["gateway-a", "gateway-b", "gateway-c"]

# So many batches without an error mean that nothing is sent to what is gone.
STEADY = 300

# Envoy asks twice a second how its upstreams are. By its defaults it would do so once a minute at first.
ERRORS_END = 30


def check(run: Run) -> str:
    fleet = Fleet(run.programs, SERVERS, GATEWAYS)
    with loaded(run, fleet, start_envoy, clients=12) as load:
        await_batches(load, STEADY)
        holds(not load.errors, f"{len(load.errors)} errors while everything ran: {load.answers}")
        killed = [run.random.choice(names) for names in (SERVERS, GATEWAYS)]
        begin = time.monotonic()
        for name in killed:
            fleet.programs[name].kill()
        # They stay away: what is left must be enough.
        errors = -1
        while errors != len(load.errors):
            errors = len(load.errors)
            await_batches(load, STEADY)
    lasted = max(load.errors, default=begin) - begin
    holds(lasted < ERRORS_END, f"there were errors for {lasted:.1f} s: {load.answers}")
    outcome = Audit(run, load).require()
    kinds = ", ".join(f"{count} × {answer}" for answer, count in load.answers.items() if "created" not in answer)
    return (
        f"{' and '.join(killed)} were killed: {errors} errors, the last one after {lasted:.1f} s ({kinds}); {outcome}"
    )
