#!/bin/sh
# Creates tasks with curl, once, whatever happens on the way.
#
#   CASELOAD_URL=http://127.0.0.1:8080 CASELOAD_API_KEY=cl_… sh create_tasks.sh [CASE_ID]
#
# Needs curl 7.71 or newer.
set -eu

# Store the key with the work to be done, before the first attempt.
key=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# request ARGUMENT...: makes a request that may be repeated, and prints the status. An attempt takes
# 6 s at most, all of them 30 s. curl repeats a request after 408, 429, 500, 502, 503 and 504, waits for
# as long as Retry-After says, and, because of --retry-all-errors, repeats it if the connection is lost.
request() {
  curl --silent --max-time 6 --retry 100 --retry-max-time 30 --retry-all-errors \
    --output "$answer" --write-out '%{http_code}' \
    --header "Authorization: Bearer $CASELOAD_API_KEY" --header 'Request-Timeout: 5' "$@"
}

status=$(request "$CASELOAD_URL/api/v2/cases/${1:-1}/tasks/batch" \
  --header "Idempotency-Key: $key" --header 'Content-Type: application/json' \
  --data '{"tasks": [
    {"description": "Collect the logs", "assignee_emails": ["user1@example.com"]},
    {"description": "Call the customer"}]}') || true

case $status in
  000 | 429 | 5??)
    # All attempts failed. Until its own deadline, the last one may still wait in the server.
    sleep 5
    status=$(request "$CASELOAD_URL/api/v2/idempotency-keys/$key") || true
    ;;
esac
cat "$answer"
[ "${status#2}" != "$status" ]
