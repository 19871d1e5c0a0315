"""Sidecars between the gateways and the servers, and between callers and the servers."""

import time
from contextlib import ExitStack

from interop.services import Server

from .audit import Audit
from .envoy import ISTIO_RETRIES, Envoy, caller_sidecar
from .load import Load
from .pod import Pod
from .programs import Program
from .run import Run, holds


def safe(run: Run) -> str:
    """With the retries of the overlay for Istio, no batch is created twice, with or without a key."""
    return check(run, None).require()


def defaults(run: Run) -> str:
    """With Istio's own retries, batches without a key are: so the check above can fail."""
    return check(run, ISTIO_RETRIES).require(keyless_doubled=True)


def check(run: Run, retry_on: str | None) -> Audit:
    programs = run.programs
    with ExitStack() as stack:
        pods = [Pod(programs, stack, name, "--drain-timeout", "3s") for name in ("server-a", "server-b")]
        for pod in pods:
            programs.await_server(pod.server_port)
        outbound = programs.port()
        Envoy(programs, "caller-sidecar", caller_sidecar(outbound, [pod.port for pod in pods], retry_on))
        gateways = [programs.gateway(name, f"http://127.0.0.1:{outbound}")[1] for name in ("gateway-a", "gateway-b")]
        for port in gateways:
            programs.await_gateway(port)
        load = Load(run.system.key, new_case(run, outbound), outbound, gateways)
        with load:
            disturb(run, pods)
        holds(sum(pod.cutter.lost for pod in pods) > 5, "hardly a response was lost")
        return Audit(run, load)


def disturb(run: Run, pods: list[Pod]) -> None:
    """Loses responses and ends servers and pods, until time is over. In the end everything runs again."""
    deadline = time.monotonic() + run.options.seconds
    while time.monotonic() < deadline:
        for _ in range(4):
            run.random.choice(pods).cutter.lose_next_response()
            time.sleep(0.1)
        pod = run.random.choice(pods)
        target, end = run.random.choice([(pod.server, Program.kill), (pod.server, Program.stop), (pod, Pod.kill)])
        end(target)
        time.sleep(run.random.uniform(0, 0.5))
        target.start()
        time.sleep(0.6)


def new_case(run: Run, port: int) -> int:
    """Creates a case over gRPC, and returns its id."""
    with Server(f"127.0.0.1:{port}") as server:
        return server.cases(run.system.key).CreateCase(case={"name": "mesh"}).case.id
