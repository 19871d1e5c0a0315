//! What `caseload dev` prints once everything serves.

use gateway::Docs;
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

/// A case with tasks.
const CASE: &str = r#"{
"name": "Phishing mail",
"priority": "HIGH",
"tasks": [
{
"description": "Warn the recipients",
"assignee_emails": ["user1@example.com"]
},
{
"description": "Block the sender"
}
]
}"#;

/// What the printed commands lack with TLS.
const TLS: &str = "
With an authority of your own, curl needs --cacert FILE in each command, and with mutual TLS --cert FILE
and --key FILE.
";

pub(super) fn print(ready: &Ready, database: &DatabaseUrl, docs: Docs) {
    let docs = match docs {
        Docs::On => format!("\n  docs      {}/docs", ready.rest_url),
        Docs::Off => String::new(),
    };
    let admin = ready.admin_url.as_ref().map(|url| format!("\n  metrics   {url}/metrics"));
    let admin = admin.unwrap_or_default();
    println!(
        "Caseload is ready.

  REST      {rest}{docs}
  gRPC      {grpc}
  database  {database}{admin}
{tls}
First set the API key, for the commands below and those of README.md:

export CASELOAD_API_KEY={key}

Create the documented tasks in the demo's case:

curl -X POST \\
  {rest}/api/v2/cases/{case}/tasks/batch \\
  -H 'content-type: application/json' \\
  -H \"Authorization: Bearer $CASELOAD_API_KEY\" \\
  -d '{REQUEST}'

Create a case with its tasks:

created=$(curl --silent -X POST \\
  {rest}/api/v2/cases \\
  -H 'content-type: application/json' \\
  -H \"Authorization: Bearer $CASELOAD_API_KEY\" \\
  -d '{CASE}'); echo \"$created\"

Complete the first of them:

case=$(echo \"$created\" | sed 's/.*\"case_id\":\\([0-9]*\\).*/\\1/')
task=$(echo \"$created\" | sed 's/.*\"tasks\":\\[{{\"id\":\\([0-9]*\\).*/\\1/')
curl -X PUT \\
  {rest}/api/v2/cases/$case/tasks/$task \\
  -H 'content-type: application/json' \\
  -H \"Authorization: Bearer $CASELOAD_API_KEY\" \\
  -d '{{\"completed\": true}}'

Read its history:

curl \\
  {rest}/api/v2/cases/$case/tasks/$task/events \\
  -H \"Authorization: Bearer $CASELOAD_API_KEY\"

Press Ctrl-C to stop.",
        tls = if ready.rest_url.starts_with("https:") { TLS } else { "" },
        rest = ready.rest_url,
        grpc = ready.grpc_url,
        case = ready.case_id,
        key = ready.api_key,
        admin = admin,
    );
}
