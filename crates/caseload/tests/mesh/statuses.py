"""A status that lists more than a thousand invalid fields passes the sidecars of the overlay for Istio."""

from contextlib import ExitStack

import httpx

from .envoy import Envoy, caller_sidecar
from .pod import Pod
from .retries import new_case
from .run import Run, holds

TASKS, EMAILS = 25, 50
ALL = TASKS * EMAILS

# Less than what Envoy takes by default.
LIMIT = 32 * 1024


def check(run: Run) -> str:
    programs = run.programs
    emails = [[f"nobody-{email}@{task}.example" for email in range(EMAILS)] for task in range(TASKS)]
    body = {"tasks": [{"description": "a task", "assignee_emails": some} for some in emails]}
    with ExitStack() as stack:
        unlimited = Pod(programs, stack, "server")
        limited = Pod(programs, stack, "limited-server", "--max-status-bytes", str(LIMIT))
        for pod in unlimited, limited:
            programs.await_server(pod.server_port)
        case_id = new_case(run, unlimited.port)

        def refusal(name: str, pod: Pod, is_patched: bool) -> tuple[int, dict]:
            outbound = programs.port()
            Envoy(programs, f"{name}-sidecar", caller_sidecar(outbound, [pod.port], is_patched=is_patched))
            gateway = programs.gateway(f"{name}-gateway", f"http://127.0.0.1:{outbound}")[1]
            programs.await_gateway(gateway)
            url = f"http://127.0.0.1:{gateway}/api/v2/cases/{case_id}/tasks/batch"
            headers = {"Authorization": f"Bearer {run.system.key}"}
            response = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=30)
            return response.status_code, response.json()

        status, problem = refusal("patched", unlimited, True)
        holds(status == 400 and len(problem["errors"]) == ALL, f"{status}, {str(problem)[:500]}")
        status, problem = refusal("unpatched", unlimited, False)
        reason = problem["errors"][0]["details"]
        holds((status, reason) == (500, "OUTCOME_UNKNOWN"), f"without the patch: {status}, {str(problem)[:500]}")
        status, problem = refusal("limited", limited, False)
        listed = len(problem["errors"])
        is_cut = 100 < listed < ALL and problem["detail"].startswith(f"{ALL} field violations")
        holds(status == 400 and is_cut, f"with a limit: {status}, {listed}, {str(problem)[:500]}")
    return f"{ALL} invalid fields are listed; without the patch of the overlay, OUTCOME_UNKNOWN, or {listed} of them"
