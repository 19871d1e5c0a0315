"""What schemathesis needs to know beside the document, and two checks of this project's own.

The configuration (schemathesis.toml) loads this module.
"""

import itertools
import re
from collections.abc import Iterator

import schemathesis

# The users whom `caseload dev` has. Which users a tenant has is not in its document.
USERS = ["user1@example.com", "user2@example.com", "user3@example.com"]

# A deadline of less than a second, as the document has it.
SHORT_TIMEOUT = re.compile(r"0\.[0-9]{1,3}")

# Why a request may be rejected that is as the document says: for what is stored, or what was done before.
ABOUT_WHAT_IS_STORED = {
    "CASE_NOT_FOUND",
    "TASK_NOT_FOUND",
    "IDEMPOTENCY_KEY_UNKNOWN",
    "ETAG_MISMATCH",
    # Another request had the same key.
    "REQUEST_ID_REUSED",
}

# The id of a case that there is not.
NO_CASE = 2**40

DOCUMENT: dict = {}

NUMBERS = itertools.count()


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict) -> None:
    """Names the users where the document asks for the email of one."""
    for part in objects(raw_schema):
        if "UNKNOWN_USER" in part.get("x-reasons", []) and part.get("type") == "string":
            part["enum"] = USERS
    DOCUMENT.update(raw_schema)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict) -> None:
    """Changes what is valid, and rejected for reasons that no schema can tell."""
    # It would end in 504, which is right, and looks like an error of the service.
    timeout = (case.headers or {}).get("Request-Timeout")
    if isinstance(timeout, str) and SHORT_TIMEOUT.fullmatch(timeout):
        case.headers["Request-Timeout"] = f"1{timeout}"
    # A whole number is written in digits in a URL. In JSON, it may have decimals.
    for parameters in (case.path_parameters, case.query):
        for name, value in (parameters or {}).items():
            if isinstance(value, float) and value.is_integer():
                parameters[name] = int(value)
    # A key belongs to one request. Each fourth one is as it was drawn, and so may have been used before.
    key = (case.headers or {}).get("Idempotency-Key")
    if key and is_positive(case) and (number := next(NUMBERS)) % 4:
        case.headers["Idempotency-Key"] = f"{number}-{key}"[:255]
    operation = case.operation.definition.raw["operationId"]
    # The case that was prepared stays, as all others would be of nothing that there is.
    if operation == "deleteCase" and case.path_parameters.get("case_id") in (1, "1"):
        case.path_parameters["case_id"] = NO_CASE
    # The tasks of a batch differ in their ids.
    if operation == "batchUpdateTasks" and is_positive(case):
        case.body = {"tasks": list({task["id"]: task for task in case.body["tasks"]}.values())}


def objects(value: object) -> Iterator[dict]:
    """Returns all objects in a document."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects(item)


def is_positive(case: schemathesis.Case) -> bool:
    """Whether the request is as the document says."""
    return case.meta is not None and case.meta.generation.mode.is_positive


def reasons(response: schemathesis.Response) -> list[str]:
    """Returns the reasons of a problem."""
    return [item["details"] for item in response.json()["errors"]]


@schemathesis.check
def documented_reasons(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A problem has reasons that the document lists for the operation and the status."""
    if response.status_code < 400 or case.method not in {"GET", "HEAD", "POST", "PUT", "DELETE"}:
        return
    operation = DOCUMENT["paths"][case.operation.path].get(case.method.lower())
    # Methods that the path has not are rejected alike everywhere.
    documented = ["METHOD_NOT_ALLOWED"]
    if operation:
        documented = resolve(operation["responses"][str(response.status_code)])["x-reasons"]
    undocumented = set(reasons(response)) - set(documented)
    if undocumented:
        raise AssertionError(f"the document does not list {undocumented} for {response.status_code}")


@schemathesis.check
def rejected_for_what_is_stored(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A request that is as the document says is rejected for what is stored alone."""
    if not is_positive(case) or response.status_code < 400:
        return
    others = set(reasons(response)) - ABOUT_WHAT_IS_STORED
    if others:
        raise AssertionError(f"the request is as the document says, but {others}")


def resolve(part: dict) -> dict:
    """Returns a part of the document, or that to which it refers."""
    if "$ref" not in part:
        return part
    found = DOCUMENT
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found
