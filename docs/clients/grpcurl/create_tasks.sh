#!/bin/sh
# Creates tasks with grpcurl, in one attempt.
#
#   CASELOAD_SERVER=http://127.0.0.1:50051 CASELOAD_API_KEY=cl_… sh create_tasks.sh [CASE_ID]
#
# grpcurl reads the contract by reflection from the server. GRPCURL names the program. After a failure that
# may be repeated (the exit code is 64 and the gRPC code), call it again with the same key.
set -eu

# Store the key with the work to be done, before the first attempt.
key=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)

"${GRPCURL:-grpcurl}" -plaintext -max-time 5 -H "authorization: Bearer $CASELOAD_API_KEY" \
  -d '{"case_id": "'"${1:-1}"'", "request_id": "'"$key"'", "tasks": [
    {"description": "Collect the logs", "assignee_emails": ["user1@example.com"]},
    {"description": "Call the customer"}]}' \
  "${CASELOAD_SERVER#http://}" caseload.tasks.v1.TaskService/BatchCreateTasks
