"""A proxy before gateways and servers, with the sample configurations of deploy/: REST for callers outside, gRPC for
internal services."""

import re
import time
from pathlib import Path
from typing import Callable

from .audit import Audit
from .envoy import DEPLOY, Envoy
from .envoy import front as envoy_config
from .load import Load
from .programs import Program, Programs
from .retries import new_case
from .run import Run

# Each name in a sample configuration is that of a program here.
NAMES = ["server-a", "server-b", "gateway-a", "gateway-b"]

# What nginx may write to files.
TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]

# A proxy notices a shutdown within this time.
OPTIONS = ["--drain-delay", "2s", "--drain-timeout", "3s"]


def envoy(run: Run) -> str:
    ports = {"rest": run.programs.port(), "grpc": run.programs.port()}
    return check(run, ports, lambda: Envoy(run.programs, "envoy", envoy_config(ports)))


def nginx(run: Run) -> str:
    ports = {"rest": run.programs.port(), "grpc": run.programs.port()}
    return check(run, ports, lambda: start_nginx(run.programs, run.options.nginx, ports))


def check(run: Run, ports: dict[str, int], start_proxy: Callable[[], object]) -> str:
    programs = run.programs
    running: dict[str, Program] = {}
    for name in NAMES[:2]:
        running[name], ports[name] = programs.server(name, *OPTIONS)
    upstream = ",".join(f"http://127.0.0.1:{ports[name]}" for name in NAMES[:2])
    for name in NAMES[2:]:
        running[name], ports[name] = programs.gateway(name, upstream, *OPTIONS)
    for name in NAMES[:2]:
        programs.await_server(ports[name])
    start_proxy()
    programs.await_gateway(ports["rest"])
    load = Load(run.system.key, new_case(run, ports["grpc"]), ports["grpc"], [ports["rest"]])
    with load:
        end = time.monotonic() + run.options.seconds
        while time.monotonic() < end:
            program = running[run.random.choice(NAMES)]
            run.random.choice([program.kill, program.stop])()
            time.sleep(run.random.uniform(0, 0.5))
            program.start()
            time.sleep(1)
    return Audit(run, load).require()


def start_nginx(programs: Programs, program: Path, ports: dict[str, int]) -> None:
    """Starts nginx with deploy/nginx.conf, of which only the addresses are others, and the directories for files
    that it writes: its packages name those of an installation."""
    directory = programs.directory / "nginx"
    directory.mkdir()
    config = (DEPLOY / "nginx.conf").read_text()
    listened = {"127.0.0.1:10000": "rest", "127.0.0.1:10001": "grpc"}
    hosts = {f"{name}:{50051 if name in NAMES[:2] else 8080}": name for name in NAMES}
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
