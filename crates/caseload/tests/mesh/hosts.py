"""Which host a call was sent to, through the proxies of deploy/: over REST and over gRPC, and whatever the client says."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import httpx

from .front import GATEWAYS, SERVERS, Fleet, StartProxy, start_envoy, start_nginx
from .load import REST_TIMEOUT, reason_of
from .run import Run, holds

OURS, THEIRS, NOBODYS = "ours.example", "theirs.example", "nobodys.example"

# The key is that of the tenant of OURS, which is exclusive: it is accepted there only. What a client says of the host
# changes nothing.
ACCEPTED, REFUSED = "accepted", "KEY_INVALID"
CALLS = [
    (OURS, None, ACCEPTED),
    (THEIRS, None, REFUSED),
    (NOBODYS, None, REFUSED),
    (OURS, THEIRS, ACCEPTED),
    (THEIRS, OURS, REFUSED),
    (NOBODYS, OURS, REFUSED),
]


def envoy(run: Run) -> str:
    return check(run, start_envoy)


def nginx(run: Run) -> str:
    return check(run, start_nginx)


def check(run: Run, start_proxy: StartProxy) -> str:
    with two_tenants(run) as key:
        # They read the hosts when they start.
        fleet = Fleet(run.programs, SERVERS, GATEWAYS, "--trusted-proxies", "127.0.0.0/8")
        rest, grpc_port = run.programs.port(), run.programs.port()
        start_proxy(run, fleet.ports | {"rest": rest, "grpc": grpc_port})
        run.programs.await_gateway(rest)
        for host, said, expected in CALLS:
            headers = {"x-forwarded-host": said} if said else {}
            for call, port in (over_rest, rest), (over_grpc, grpc_port):
                outcome = call(port, host, headers | {"authorization": f"Bearer {key}"})
                what = f"{call.__name__}: {host} is called, and the client says {said}"
                holds(outcome == expected, f"{what}: {outcome} instead of {expected}")
    return f"{2 * len(CALLS)} calls were judged by the host that they were sent to"


@contextmanager
def two_tenants(run: Run) -> Iterator[str]:
    """Creates two tenants with a host each. Returns a key of the first one, which is exclusive."""
    names = [f"{run.programs.directory.name} {number}" for number in (1, 2)]
    for name, host in zip(names, (OURS, THEIRS)):
        run.system.admin("tenant", "create", name)
        run.system.admin("tenant", "host", "add", "--tenant", name, host)
    run.system.admin("tenant", "host", "exclusive", "--tenant", names[0], "on")
    try:
        yield run.system.admin("key", "create", "--tenant", names[0], "hosts", "--scope", "cases:read")["key"]
    finally:
        # Other checks may bind the same hosts.
        run.system.admin("tenant", "host", "exclusive", "--tenant", names[0], "off")
        for name, host in zip(names, (OURS, THEIRS)):
            run.system.admin("tenant", "host", "remove", "--tenant", name, host)


def over_rest(port: int, host: str, headers: dict[str, str]) -> str:
    url = f"http://127.0.0.1:{port}/api/v2/cases"
    response = httpx.get(url, headers=headers | {"host": host}, trust_env=False, timeout=REST_TIMEOUT)
    return ACCEPTED if response.status_code == 200 else response.json()["errors"][0]["details"]


def over_grpc(port: int, host: str, headers: dict[str, str]) -> str:
    options = [("grpc.default_authority", host), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        # A request without fields has no bytes.
        call = channel.unary_unary("/caseload.cases.v1.CaseService/ListCases")
        try:
            call(b"", metadata=tuple(headers.items()), timeout=REST_TIMEOUT)
        except grpc.RpcError as error:
            return reason_of(error)
    return ACCEPTED
