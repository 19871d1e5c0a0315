//! What `caseload dev` prints once everything serves.

use store::DatabaseUrl;

use super::ready::Ready;

/// The request of the API document.
const REQUEST: &str = r#"{
"tasks": [
{
"description": "Review security logs for suspicious activity",
"assignee_emails": ["user1@example.com"]
},
{
"description": "Update incident runbook"
},
{
"description": "Close related tickets",
"assignee_emails": ["user2@example.com", "user3@example.com"]
}
]
}"#;

pub(super) fn print(ready: &Ready, database: &DatabaseUrl) {
    println!(
        "Caseload is ready.

  REST      {rest}
  gRPC      {grpc}
  database  {database}

Create the documented tasks in the demo's case:

curl -X POST \\
  {rest}/api/v2/cases/{case}/tasks/batch \\
  -H 'content-type: application/json' \\
  -H 'Authorization: Bearer {key}' \\
  -d '{REQUEST}'

Press Ctrl-C to stop.",
        rest = ready.rest_url,
        grpc = ready.grpc_url,
        case = ready.case_id,
        key = ready.api_key,
    );
}
