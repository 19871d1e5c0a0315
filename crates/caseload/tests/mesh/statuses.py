"""A status that lists more than a thousand invalid fields passes the sidecars of the overlay for Istio."""

from contextlib import ExitStack

import httpx

from .envoy import Envoy, caller_sidecar
from .pod import Pod
from .retries import new_case
from .run import Run, holds

TASKS, EMAILS = 25, 50


def check(run: Run) -> str:
    programs = run.programs
    emails = [[f"nobody-{email}@{task}.example" for email in range(EMAILS)] for task in range(TASKS)]
    body = {"tasks": [{"description": "a task", "assignee_emails": some} for some in emails]}
    with ExitStack() as stack:
        pod = Pod(programs, stack, "server")
        programs.await_server(pod.server_port)
        case_id = new_case(run, pod.port)

        def refusal(is_patched: bool) -> tuple[int, dict]:
            name = "patched" if is_patched else "unpatched"
            outbound = programs.port()
            Envoy(programs, f"{name}-sidecar", caller_sidecar(outbound, [pod.port], is_patched=is_patched))
            gateway = programs.gateway(f"{name}-gateway", f"http://127.0.0.1:{outbound}")[1]
            programs.await_gateway(gateway)
            url = f"http://127.0.0.1:{gateway}/api/v2/cases/{case_id}/tasks/batch"
            headers = {"Authorization": f"Bearer {run.system.key}"}
            response = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=30)
            return response.status_code, response.json()

        status, problem = refusal(True)
        holds(status == 400 and len(problem["errors"]) == TASKS * EMAILS, f"{status}, {str(problem)[:500]}")
        status, problem = refusal(False)
        reason = problem["errors"][0]["details"]
        holds((status, reason) == (500, "OUTCOME_UNKNOWN"), f"without the patch: {status}, {str(problem)[:500]}")
    return f"{TASKS * EMAILS} invalid fields are listed; without the patch of the overlay, OUTCOME_UNKNOWN"
