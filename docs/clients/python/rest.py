"""Creates tasks over REST, once, whatever happens on the way.

Needs Python 3.9 or newer, and nothing else.

    CASELOAD_URL=http://127.0.0.1:8080 CASELOAD_API_KEY=cl_… python3 rest.py [CASE_ID]
"""

import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

ATTEMPT = 5.0  # the most seconds that one attempt may take
CALL = 30.0  # the most seconds that all attempts at a call may take, with the pauses


class Refused(Exception):
    """The service rejected the request, and changed nothing. Has the problem document."""


class NoAnswer(Exception):
    """All attempts failed: the service may have done what was asked for, or not."""


def create_tasks(case_id, tasks, key):
    """Returns the ids of the tasks. Called again with the same key, it creates nothing twice."""
    try:
        created = call("POST", f"/api/v2/cases/{case_id}/tasks/batch", {"tasks": tasks}, key)
        return [task["id"] for task in created["tasks"]]
    except NoAnswer:
        # Until its own deadline, the last attempt may still wait in the server.
        time.sleep(ATTEMPT)
        found = call("GET", "/api/v2/idempotency-keys/" + urllib.parse.quote(key, safe=""))
        return found["idempotency_key"]["task_ids"]


def call(method, path, body=None, key=None):
    """Makes a call that may be repeated: a read, an update, or a create with a key."""
    end = time.monotonic() + CALL
    for attempt in range(1000):
        # What is left of the time. The same key goes with every attempt.
        limit = min(ATTEMPT, end - time.monotonic())
        try:
            return send(method, path, body, key, limit)
        except urllib.error.HTTPError as error:
            problem = read_problem(error)
            if not may_be_repeated(error.code, problem):
                raise Refused(problem) from None
            asked = error.headers.get("Retry-After", "")
            retry_after, failure = float(asked) if asked.isdigit() else 0.0, problem
        except (OSError, http.client.HTTPException) as error:
            retry_after, failure = 0.0, error  # no connection, or it was lost
        # A random pause, so that clients that failed together don't come back together.
        pause = retry_after + random.uniform(0, min(0.1 * 2**attempt, 3.0))
        if time.monotonic() + pause + 0.1 > end:
            break
        time.sleep(pause)
    raise NoAnswer(failure)


def send(method, path, body, key, limit):
    headers = {
        "Authorization": f"Bearer {os.environ['CASELOAD_API_KEY']}",
        "Request-Timeout": f"{limit:.3f}",
    }
    if key:
        headers["Idempotency-Key"] = key
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    url = os.environ["CASELOAD_URL"] + path
    request = urllib.request.Request(url, body, headers, method=method)
    # A second more than the service has, so that its own answer comes first.
    with urllib.request.urlopen(request, timeout=limit + 1) as response:
        return json.load(response)


def read_problem(error):
    """Returns the problem document of an error. A proxy's error has none."""
    try:
        problem = json.load(error)
        if "errors" in problem:
            return problem
    except (ValueError, TypeError, OSError, http.client.HTTPException):
        pass
    return {"status": error.code, "errors": []}


def may_be_repeated(status, problem):
    if status in (429, 502, 503, 504):
        return True
    reasons = [item["details"] for item in problem["errors"]]
    # A proxy's error has no reasons, and proves nothing.
    return status == 500 and (not reasons or "OUTCOME_UNKNOWN" in reasons)


if __name__ == "__main__":
    case_id = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    # Store the key with the work to be done, before the first attempt: then a program that is
    # started again repeats the request, instead of making another one.
    key = str(uuid.uuid4())
    tasks = [
        {"description": "Collect the logs", "assignee_emails": ["user1@example.com"]},
        {"description": "Call the customer"},
    ]
    print(json.dumps({"task_ids": create_tasks(case_id, tasks, key)}))
