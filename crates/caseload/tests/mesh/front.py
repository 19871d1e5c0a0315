"""A proxy before gateways and servers, with the sample configurations of deploy/: REST for callers outside, gRPC for
internal services."""

import re
import time
from collections.abc import Callable
from contextlib import ExitStack

from .audit import Audit
from .cutter import Cutter
from .envoy import DEPLOY, Envoy
from .envoy import front as envoy_config
from .load import Load
from .programs import Program, Programs
from .retries import new_case
from .run import Run, holds

# Each name in a sample configuration is that of a program here.
SERVERS = ["server-a", "server-b"]
GATEWAYS = ["gateway-a", "gateway-b"]

# What nginx may write to files.
TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]

# A proxy notices a shutdown within this time.
OPTIONS = ["--drain-delay", "2s", "--drain-timeout", "3s"]

# nginx leaves out a server or gateway for a second when it has lost a response, and then has none to repeat to.
UNTIL_NGINX_TRUSTS_AGAIN = 1.1

# How many responses are lost so that a batch without a key is certainly among those that nginx repeats.
LOST = 20
LOSS_TIMEOUT = 120


class Fleet:
    """Servers and gateways, as a proxy before them finds them."""

    def __init__(self, programs: Programs, servers: list[str], gateways: list[str], *options: str) -> None:
        self.programs: dict[str, Program] = {}
        self.ports: dict[str, int] = {}
        """Where the proxy finds each of them."""
        self.cutters: dict[str, Cutter] = {}
        for name in servers:
            self.programs[name], self.ports[name] = programs.server(name, *OPTIONS, *options)
        upstream = ",".join(f"http://127.0.0.1:{self.ports[name]}" for name in servers)
        for name in gateways:
            self.programs[name], self.ports[name] = programs.gateway(name, upstream, *OPTIONS, *options)
        for name in servers:
            programs.await_server(self.ports[name])
        for name in gateways:
            programs.await_gateway(self.ports[name])

    def cut(self, programs: Programs, stack: ExitStack) -> None:
        """Puts a cutter on the proxy's way to each of them. It accepts connections, also where nobody else does."""
        for name, port in self.ports.items():
            self.cutters[name] = stack.enter_context(Cutter(programs.port(), port))
            self.ports[name] = self.cutters[name].port

    @property
    def lost(self) -> int:
        """How many responses were lost."""
        return sum(cutter.lost for cutter in self.cutters.values())


StartProxy = Callable[[Run, dict[str, int]], None]


def envoy(run: Run) -> str:
    return ends(run, start_envoy).require()


def nginx(run: Run) -> str:
    return ends(run, start_nginx).require()


def envoy_losses(run: Run) -> str:
    return losses(run, start_envoy).require()


def nginx_losses(run: Run) -> str:
    return losses(run, start_nginx).require()


def nginx_that_repeats(run: Run) -> str:
    """With the setting that deploy/nginx.conf warns of, batches without a key are doubled: so the check above can
    fail."""
    return losses(run, start_nginx_that_repeats).require(keyless_doubled=True)


def ends(run: Run, start_proxy: StartProxy) -> Audit:
    """Ends programs behind a proxy, one at a time."""
    fleet = Fleet(run.programs, SERVERS, GATEWAYS)
    with loaded(run, fleet, start_proxy) as load:
        disturb(run, fleet)
    return Audit(run, load)


def losses(run: Run, start_proxy: StartProxy) -> Audit:
    """Loses responses on the way to a proxy, one at a time of servers and of gateways."""
    fleet = Fleet(run.programs, SERVERS, GATEWAYS)
    with ExitStack() as stack:
        fleet.cut(run.programs, stack)
        with loaded(run, fleet, start_proxy) as load:
            deadline = time.monotonic() + LOSS_TIMEOUT
            while fleet.lost < LOST:
                holds(time.monotonic() < deadline, f"only {fleet.lost} responses were lost")
                for names in SERVERS, GATEWAYS:
                    fleet.cutters[run.random.choice(names)].lose_next_response()
                time.sleep(UNTIL_NGINX_TRUSTS_AGAIN)
        return Audit(run, load)


def loaded(run: Run, fleet: Fleet, start_proxy: StartProxy, clients: int = 8) -> Load:
    """Starts a proxy before programs, and returns clients that call through it."""
    rest, grpc = run.programs.port(), run.programs.port()
    start_proxy(run, fleet.ports | {"rest": rest, "grpc": grpc})
    run.programs.await_gateway(rest)
    return Load(run.system.key, new_case(run, grpc), grpc, [rest], clients)


def disturb(run: Run, fleet: Fleet) -> None:
    """Ends programs, until time is over. In the end everything runs again."""
    end = time.monotonic() + run.options.seconds
    while time.monotonic() < end:
        program = run.random.choice(list(fleet.programs.values()))
        run.random.choice([program.kill, program.stop])()
        time.sleep(run.random.uniform(0, 0.5))
        program.start()
        time.sleep(1)


def start_envoy(run: Run, ports: dict[str, int]) -> None:
    Envoy(run.programs, "envoy", envoy_config(ports))


def start_nginx(run: Run, ports: dict[str, int]) -> None:
    run_nginx(run, (DEPLOY / "nginx.conf").read_text(), ports)


def start_nginx_that_repeats(run: Run, ports: dict[str, int]) -> None:
    """Starts nginx with what deploy/nginx.conf says never to set."""
    setting = r"((?:grpc|proxy)_next_upstream error timeout);"
    config, count = re.subn(setting, r"\1 non_idempotent;", (DEPLOY / "nginx.conf").read_text())
    holds(count == 2, f"deploy/nginx.conf has {setting} {count} times")
    run_nginx(run, config, ports)


def run_nginx(run: Run, config: str, ports: dict[str, int]) -> None:
    """Starts nginx with a configuration, of which only the addresses are changed, and the directories for files
    that it writes: its packages name those of an installation."""
    programs, program = run.programs, run.options.nginx
    directory = programs.directory / "nginx"
    directory.mkdir()
    listened = {"127.0.0.1:10000": "rest", "127.0.0.1:10001": "grpc"}
    hosts = {f"{name}:50051": name for name in SERVERS} | {f"{name}:8080": name for name in GATEWAYS}
    for address, name in (listened | hosts).items():
        config, count = re.subn(rf"\b{re.escape(address)}\b", f"127.0.0.1:{ports[name]}", config)
        if count != 1:
            raise AssertionError(f"deploy/nginx.conf names {address} {count} times")
    paths = "".join(f"{kind}_temp_path {directory / kind}; " for kind in TEMPORARY)
    config = config.replace("http {", f"http {{ {paths}", 1)
    file = directory / "nginx.conf"
    file.write_text(config)
    options = f"daemon off; master_process off; pid {directory / 'pid'};"
    programs.start("nginx", [str(program), "-p", str(directory), "-c", str(file), "-e", "stderr", "-g", options])
