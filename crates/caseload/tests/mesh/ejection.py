"""Which servers the overlay for Istio ejects: those that can't be reached, not those that say UNAVAILABLE."""

from contextlib import ExitStack

from .audit import Audit
from .envoy import Envoy, caller_sidecar, outliers, overlay
from .load import Load
from .pod import Pod
from .programs import wait_until
from .retries import new_case
from .run import Run, holds

EJECTED = "cluster.servers.outlier_detection.ejections_enforced_total"
CONNECT_FAILURES = "cluster.servers.upstream_cx_connect_fail"

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"

# What a server without a database says.
UNAVAILABLE = "gRPC UNAVAILABLE DATABASE_UNAVAILABLE"
ANSWERS = 100


def check(run: Run) -> str:
    programs = run.programs
    with ExitStack() as stack:
        pods = [
            Pod(programs, stack, "server-a"),
            Pod(programs, stack, "server-b", "--checkout-timeout", "100ms", database_url=NO_DATABASE),
        ]
        programs.await_server(pods[0].server_port)
        outbound = programs.port()
        caller = Envoy(programs, "caller-sidecar", caller_sidecar(outbound, [pod.port for pod in pods]))
        gateway = programs.gateway("gateway", f"http://127.0.0.1:{outbound}")[1]
        programs.await_gateway(gateway)
        load = Load(run.system.key, new_case(run, pods[0].port), outbound, [gateway])
        with load:
            wait_until(lambda: load.answers[UNAVAILABLE] > ANSWERS, f"{ANSWERS} times {UNAVAILABLE}")
            holds(caller.stat(EJECTED) == 0, "a server was ejected although it answers")
            pods[1].kill()
            wait_until(lambda: caller.stat(EJECTED) > 0, "the ejection of a server that can't be reached")
            answers = load.answers[UNAVAILABLE]
            # What was sent before the ejection gets its response.
            await_batches(load, load.clients)
            failures, unavailable = caller.stat(CONNECT_FAILURES), count_unavailable(load)
            await_batches(load, ANSWERS)
            failures = caller.stat(CONNECT_FAILURES) - failures
            # The ejection may end in this time. Then some attempts to connect begin the next one.
            allowed = outliers(overlay())["consecutive_local_origin_failure"]
            holds(failures <= allowed, f"{failures} connections to the ejected server were tried")
            unavailable = count_unavailable(load) - unavailable
            holds(unavailable == 0, f"UNAVAILABLE was reported {unavailable} times, although the server is ejected")
        outcome = Audit(run, load).require()
    return f"a server that said UNAVAILABLE {answers} times was not ejected, one that was gone was; {outcome}"


def await_batches(load: Load, count: int) -> None:
    """Waits until clients have sent more batches."""
    sent = len(load.batches)
    wait_until(lambda: len(load.batches) > sent + count, f"{count} more batches")


def count_unavailable(load: Load) -> int:
    """Returns how often a server, a gateway or a proxy reported UNAVAILABLE."""
    return sum(count for answer, count in list(load.answers.items()) if "UNAVAILABLE" in answer or " 503 " in answer)
