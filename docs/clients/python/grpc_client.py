"""Creates tasks over gRPC, once, whatever happens on the way.

Needs grpcio and protobuf, and the code that grpcio-tools generates from proto/ (`make clients`).

    CASELOAD_SERVER=http://127.0.0.1:50051 CASELOAD_API_KEY=cl_… python3 grpc_client.py [CASE_ID]
"""

import json
import os
import random
import sys
import time
import uuid

import grpc
from caseload.tasks.v1 import task_service_pb2 as messages
from caseload.tasks.v1.task_service_pb2_grpc import TaskServiceStub

ATTEMPT = 5.0  # the most seconds that one attempt may take
CALL = 30.0  # the most seconds that all attempts at a call may take, with the pauses

# The call may be repeated after these. UNKNOWN is an unknown outcome.
REPEATED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
}


class NoAnswer(Exception):
    """All attempts failed: the service may have done what was asked for, or not."""


def create_tasks(service, case_id, tasks, key):
    """Returns the ids of the tasks. Called again with the same key, it creates nothing twice."""
    request = messages.BatchCreateTasksRequest(case_id=case_id, tasks=tasks, request_id=key)
    try:
        return [task.id for task in call(service.BatchCreateTasks, request).tasks]
    except NoAnswer:
        # Until its own deadline, the last attempt may still wait in the server.
        time.sleep(ATTEMPT)
        lookup = messages.GetIdempotencyRecordRequest(request_id=key)
        return list(call(service.GetIdempotencyRecord, lookup).record.task_ids)


def call(method, request):
    """Makes a call that may be repeated: a read, an update, or a create with a key."""
    metadata = [("authorization", f"Bearer {os.environ['CASELOAD_API_KEY']}")]
    end = time.monotonic() + CALL
    for attempt in range(1000):
        limit = min(ATTEMPT, end - time.monotonic())
        try:
            return method(request, timeout=limit, metadata=metadata)
        except grpc.RpcError as error:
            if not may_be_repeated(error):
                raise
            failure = error
        trailers = dict(failure.trailing_metadata() or ())
        pushback = float(trailers.get("grpc-retry-pushback-ms", 0)) / 1000
        # A random pause, so that clients that failed together don't come back together.
        pause = pushback + random.uniform(0, min(0.1 * 2**attempt, 3.0))
        if time.monotonic() + pause + 0.1 > end:
            break
        time.sleep(pause)
    raise NoAnswer(failure.code())


def may_be_repeated(error):
    trailers = dict(error.trailing_metadata() or ())
    if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
        # A limit, if there is a time to wait; otherwise the response was too large.
        return "grpc-retry-pushback-ms" in trailers
    if error.code() == grpc.StatusCode.INTERNAL:
        # Without details, the library or a proxy wrote it: the connection was lost.
        return "grpc-status-details-bin" not in trailers
    return error.code() in REPEATED


if __name__ == "__main__":
    case_id = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    # Store the key with the work to be done, before the first attempt: then a program that is
    # started again repeats the request, instead of making another one.
    key = str(uuid.uuid4())
    tasks = [
        messages.NewTask(description="Collect the logs", assignee_emails=["user1@example.com"]),
        messages.NewTask(description="Call the customer"),
    ]
    with grpc.insecure_channel(os.environ["CASELOAD_SERVER"].removeprefix("http://")) as channel:
        task_ids = create_tasks(TaskServiceStub(channel), case_id, tasks, key)
    print(json.dumps({"task_ids": task_ids}))
