#!/bin/sh
# Creates tasks with buf curl, once, whatever happens on the way.
#
#   CASELOAD_SERVER=http://127.0.0.1:50051 CASELOAD_API_KEY=cl_… sh create_tasks.sh [CASE_ID]
#
# buf reads the contract by reflection from the server. BUF names the program.
set -u

service=caseload.tasks.v1.TaskService
# Store the key with the work to be done, before the first attempt.
key=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)

# call METHOD REQUEST: makes a call that may be repeated, at most six times.
call() {
  pause=1
  for attempt in 1 2 3 4 5 6; do
    "${BUF:-buf}" curl --protocol grpc --http2-prior-knowledge --timeout 5s \
      --header "authorization: Bearer $CASELOAD_API_KEY" --data "$2" "$CASELOAD_SERVER/$service/$1"
    status=$?
    # Eight times the gRPC code: CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED,
    # UNAVAILABLE.
    case $status in
      8 | 16 | 32 | 64 | 112) ;;
      *) return "$status" ;;
    esac
    [ "$attempt" = 6 ] || sleep "$pause"
    pause=$((pause * 2))
  done
  return 75
}

call BatchCreateTasks '{"case_id": "'"${1:-1}"'", "request_id": "'"$key"'", "tasks": [
  {"description": "Collect the logs", "assignee_emails": ["user1@example.com"]},
  {"description": "Call the customer"}]}'
status=$?
if [ "$status" = 75 ]; then
  # All attempts failed. Until its own deadline, the last one may still wait in the server.
  sleep 5
  call GetIdempotencyRecord '{"request_id": "'"$key"'"}'
  status=$?
fi
exit "$status"
