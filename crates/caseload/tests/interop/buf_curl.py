"""`buf curl`: a few calls by another foreign gRPC client."""

import base64
import json
import subprocess

from .run import Run, equal, holds
from .services import Server


def check(run: Run) -> str:
    if run.options.buf is None:
        return "NOT CHECKED: buf is not there"
    case_id = new_case(run)
    tasks = "caseload.tasks.v1.TaskService"
    created = call(run, f"{tasks}/CreateTask", {"caseId": case_id, "task": {"description": "Call"}})["task"]
    target = {"caseId": case_id, "taskId": created["id"]}
    equal(call(run, f"{tasks}/GetTask", target)["task"], created, "get")
    update = {"id": created["id"], "completed": True, "updateMask": "completed", "etag": created["etag"]}
    changed = call(run, f"{tasks}/UpdateTask", {"caseId": case_id, "task": update})["task"]
    equal(changed["completed"], True, "update")
    stale = call(run, f"{tasks}/UpdateTask", {"caseId": case_id, "task": update}, fails=True)
    reasons = [base64.b64decode(detail["value"] + "==") for detail in stale["details"]]
    equal(stale["code"], "aborted", "a stale entity tag")
    equal([b"ETAG_MISMATCH" in reason for reason in reasons], [True, True], "its details")
    call(run, f"{tasks}/CreateTask", {"caseId": case_id, "task": {"description": "Write"}})
    page = call(run, f"{tasks}/ListTasks", {"caseId": case_id, "pageSize": 1})
    page = call(run, f"{tasks}/ListTasks", {"caseId": case_id, "pageToken": page["nextPageToken"]})
    equal([task["description"] for task in page["tasks"]], ["Write"], "the second page")
    events = call(run, f"{tasks}/ListTaskEvents", target)["taskEvents"]
    kinds = [event["kind"] for event in events]
    equal(kinds, ["TASK_EVENT_KIND_CREATED", "TASK_EVENT_KIND_COMPLETED"], "events")
    call(run, f"{tasks}/DeleteTask", target)
    equal(call(run, f"{tasks}/GetTask", target, fails=True)["code"], "not_found", "a deleted task")
    user = {"user": {"email": "user1@example.com"}}
    method = "caseload.directory.v1.DirectoryService/GetUser"
    equal(call(run, method, user, key=run.system.admin_key)["user"]["firstName"], "John", "a user")
    equal(call(run, method, user, fails=True)["code"], "permission_denied", "a key without the scope")
    return "buf curl drove a task and read a user"


def new_case(run: Run) -> int:
    with Server(run.system.grpc_address) as server:
        return server.cases(run.system.key).CreateCase(case={"name": "buf curl"}).case.id


def call(run: Run, method: str, message: dict, key: str = "", fails: bool = False) -> dict:
    """Makes a call, and returns the response or the error."""
    # Others can see the arguments of a process.
    headers = run.system.directory / "headers"
    headers.write_text(f"Authorization: Bearer {key or run.system.key}\n")
    command = [
        run.options.buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--header", f"@{headers}",
        "--data", json.dumps(message), f"{run.system.grpc_url}/{method}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    holds((done.returncode != 0) == fails, f"buf curl {method}: {done.returncode}: {done.stdout} {done.stderr}")
    return json.loads(done.stderr if fails else done.stdout)
