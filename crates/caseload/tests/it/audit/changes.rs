//! What calls change of cases and users, by way of the outbox.

use domain::{ApiKey, AuditEntry, AuditEvent, Scope, TenantId};
use proto::{
    cases::v1::{
        CaseStatus, CaseUpdate, CreateCaseRequest, DeleteCaseRequest, NewCase, Priority,
        UpdateCaseRequest, case_service_client::CaseServiceClient,
    },
    directory::v1::{
        BatchUpsertCasesRequest, BatchUpsertUsersRequest, UpsertCase, UpsertUser,
        directory_service_client::DirectoryServiceClient,
    },
};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use super::calls::{assert_intact, directory, entries, request};
use crate::support::{
    AdminShell, App, Program, Session, code_and_reasons, new_key, new_task, polling::eventually,
    start_server_process,
};

const CHANGES: [AuditEvent; 5] = [
    AuditEvent::CaseCreated,
    AuditEvent::CaseChanged,
    AuditEvent::CaseDeleted,
    AuditEvent::UsersFed,
    AuditEvent::CasesFed,
];

/// Ends the app's server, and returns the entries about changes by calls, once there are so many.
async fn written(app: &App, count: usize) -> Vec<AuditEntry> {
    app.shutdown.cancel();
    let entries = eventually("the entries", async || {
        let mut entries = entries(app, &CHANGES).await;
        // The fixture is made by commands.
        entries.retain(|entry| entry.key.is_some());
        (entries.len() >= count).then_some(entries)
    })
    .await;
    assert_eq!(app.database.query("SELECT count(*) FROM audit_outbox"), "0");
    assert_intact(app).await;
    entries
}

/// Returns what entries say, without who did it.
fn texts(entries: &[AuditEntry]) -> Vec<String> {
    let text = |it: &AuditEntry| {
        let subject = it.subject.map(|id| id.to_string()).unwrap_or_default();
        format!("{} {subject} {}", it.event, it.details)
    };
    entries.iter().map(text).collect()
}

/// A client of the calls about cases.
struct Client {
    cases: CaseServiceClient<Channel>,
    key: ApiKey,
}

impl Client {
    fn new(channel: Channel, key: &ApiKey) -> Self {
        Self { cases: CaseServiceClient::new(channel), key: key.clone() }
    }

    /// Creates a case with an idempotency key, or repeats that.
    async fn create(&mut self, request_id: &str, is_trial: bool) -> i64 {
        let case = NewCase {
            name: "Personal".to_owned(),
            tasks: vec![new_task("Personal", &[]), new_task("Personal", &[])],
            ..NewCase::default()
        };
        let message = CreateCaseRequest {
            case: Some(case),
            request_id: request_id.to_owned(),
            validate_only: is_trial,
        };
        let created = self.cases.create_case(request(&self.key, message)).await.unwrap();
        created.into_inner().case.unwrap().id
    }

    /// Changes the fields that have a value.
    async fn update(&mut self, case: CaseUpdate, is_trial: bool) -> String {
        let message = UpdateCaseRequest { case: Some(case), validate_only: is_trial };
        let updated = self.cases.update_case(request(&self.key, message)).await;
        updated.map_or_else(|status| code_and_reasons(&status), |_| "OK".to_owned())
    }

    async fn delete(&mut self, case_id: i64, etag: &str) -> String {
        let message = DeleteCaseRequest { case_id, etag: etag.to_owned() };
        let deleted = self.cases.delete_case(request(&self.key, message)).await;
        deleted.map_or_else(|status| code_and_reasons(&status), |_| "OK".to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_a_case_is_written_down_with_who_did_it_and_from_where() {
    let app = App::start().await;
    let key = new_key();
    let id = app.store_key(app.tenant, &key, &[Scope::CasesWrite, Scope::TasksWrite], None).await;
    let mut client = Client::new(app.channel().await, &key);
    client.create("", true).await;
    let case = client.create("a-key", false).await;
    assert_eq!(client.create("a-key", false).await, case, "a repeat");
    let change = |id: i64| CaseUpdate {
        id,
        name: Some("Personal too".to_owned()),
        description: Some("Personal as well".to_owned()),
        ..CaseUpdate::default()
    };
    assert_eq!(client.update(change(case), true).await, "OK", "a trial");
    for _ in 0..2 {
        // The second time, nothing changes.
        assert_eq!(client.update(change(case), false).await, "OK");
    }
    let stale = CaseUpdate { name: Some("b".to_owned()), etag: "\"0\"".to_owned(), ..change(case) };
    assert_eq!(client.update(stale, false).await, "ABORTED ETAG_MISMATCH");
    let rest = CaseUpdate {
        id: case,
        // As it is.
        name: Some("Personal too".to_owned()),
        priority: Priority::High.into(),
        status: CaseStatus::Closed.into(),
        team_id: Some(7),
        ..CaseUpdate::default()
    };
    assert_eq!(client.update(rest, false).await, "OK");
    assert_eq!(client.delete(case, "\"0\"").await, "ABORTED ETAG_MISMATCH");
    assert_eq!(client.delete(case, "").await, "OK");
    assert_eq!(client.delete(case, "").await, "NOT_FOUND CASE_NOT_FOUND");

    let written = written(&app, 4).await;
    assert_eq!(
        texts(&written),
        [
            format!("case.created {case} tasks=2"),
            format!("case.changed {case} fields=name,description"),
            format!("case.changed {case} fields=priority,status,team_id"),
            format!("case.deleted {case} tasks=2"),
        ]
    );
    for entry in &written {
        assert_eq!((entry.key, &entry.role), (Some(id.get()), &None));
        assert_eq!(entry.address.as_deref(), Some("198.51.100.7"));
        assert_eq!(entry.request_id.as_deref(), Some("the-request"));
    }
    let dump = app.database.query("SELECT * FROM audit_entries");
    assert!(!dump.contains("Personal"), "{dump}");
    // As it is listed.
    let shell = AdminShell { database: app.database.clone() };
    let listed = shell.json(&["audit", "list", "--since", "1h"]);
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|it| &it["details"]).collect();
    assert!(listed.contains(&&"fields=name,description".into()), "{listed:?}");
}

/// One waits for locks, and is made by another statement of a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_waited_for_a_lock_is_written_down_once() {
    let app = App::start().await;
    let key = app.key_with(&[Scope::CasesWrite]).await;
    let mut session = Session::open(app.database.url());
    session.query(&format!("BEGIN; SELECT FROM cases WHERE id = {} FOR UPDATE", app.case_id));
    let (channel, case) = (app.channel().await, app.case_id);
    let changing = tokio::spawn(async move {
        let mut client = Client::new(channel, &key);
        let name = Some("b".to_owned());
        let change = CaseUpdate { id: case, name, ..CaseUpdate::default() };
        (client.update(change, false).await, client.delete(case, "").await)
    });
    session.await_blocked(1);
    session.query("COMMIT");
    assert_eq!(changing.await.unwrap(), ("OK".to_owned(), "OK".to_owned()));
    let written = written(&app, 2).await;
    let expected =
        [format!("case.changed {case} fields=name"), format!("case.deleted {case} tasks=0")];
    assert_eq!(texts(&written), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fed_is_written_down_with_its_ids_and_nothing_where_nothing_changes() {
    let app = App::start().await;
    let key = app.key_with(&[Scope::Admin]).await;
    let mut client = directory(&app).await;
    let user = |n: i32, name: &str| UpsertUser {
        external_id: format!("personal-{n}"),
        email: format!("personal{n}@example.com"),
        first_name: Some(name.to_owned()),
        ..UpsertUser::default()
    };
    let users = |name: &str, count| {
        let users = (0..count).map(|n| user(n, name)).collect();
        BatchUpsertUsersRequest { users, validate_only: false }
    };
    let trial = BatchUpsertUsersRequest { validate_only: true, ..users("Personal", 3) };
    client.batch_upsert_users(request(&key, trial)).await.unwrap();
    for _ in 0..2 {
        client.batch_upsert_users(request(&key, users("Personal", 3))).await.unwrap();
    }
    // The second one changes, and 497 are new.
    let mut second = users("Personal", 500);
    second.users[1].first_name = Some("Other".to_owned());
    client.batch_upsert_users(request(&key, second)).await.unwrap();
    let case = |n: i32, name: &str| UpsertCase {
        external_id: format!("personal-{n}"),
        name: name.to_owned(),
        ..UpsertCase::default()
    };
    for cases in [vec![case(1, "a"), case(2, "a")], vec![case(1, "b"), case(2, "a"), case(3, "a")]]
    {
        let message = BatchUpsertCasesRequest { cases, validate_only: false };
        client.batch_upsert_cases(request(&key, message)).await.unwrap();
    }
    let id = |table: &str, n: i32| {
        let id = format!("SELECT id FROM {table} WHERE external_id = 'personal-{n}'");
        app.database.query(&id).parse::<i64>().unwrap()
    };
    let [first, last] = [0, 499].map(|n| id("users", n));
    let [one, two, three] = [1, 2, 3].map(|n| id("cases", n));
    let written = written(&app, 4).await;
    assert_eq!(
        texts(&written),
        [
            format!("users.fed  created=3 updated=0 created_ids={first}-{}", first + 2),
            format!(
                "users.fed  created=497 updated=1 created_ids={}-{last} updated_ids={}",
                first + 3,
                first + 1
            ),
            format!("cases.fed  created=2 updated=0 created_ids={one}-{two}"),
            format!("cases.fed  created=1 updated=1 created_ids={three} updated_ids={one}"),
        ]
    );
    let dump = app.database.query("SELECT * FROM audit_entries");
    assert!(!dump.to_lowercase().contains("personal"), "{dump}");
}

/// Both servers move what is in the outbox, whoever has written it.
#[tokio::test(flavor = "multi_thread")]
async fn several_servers_append_each_change_once() {
    const ROUNDS: usize = 10;
    let app = App::start().await;
    let key = app.key_with(&[Scope::Admin, Scope::CasesWrite]).await;
    let second = app.start_server(&[]).await;
    let mut callers = JoinSet::new();
    for server in [app.grpc_addr, second] {
        let (key, app_database, tenant) = (key.clone(), app.database.open(), app.tenant);
        callers.spawn(async move {
            let endpoint = Endpoint::try_from(format!("http://{server}")).unwrap();
            let mut client = Client::new(endpoint.connect().await.unwrap(), &key);
            for _ in 0..ROUNDS {
                let case = client.create("", false).await;
                assert_eq!(client.delete(case, "").await, "OK");
                // As the servers do every 10 s.
                app_database.move_audit_outbox(tenant).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    let written = written(&app, 4 * ROUNDS).await;
    assert_eq!(written.len(), 4 * ROUNDS);
    let mut texts = texts(&written);
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 4 * ROUNDS);
    let numbers: Vec<_> = written.iter().map(|entry| entry.number).collect();
    assert!(numbers.is_sorted());
}

/// Starts a server as a process, and has it create a case, as a service that feeds cases.
async fn feed_a_case(app: &App, key: &ApiKey) -> Program {
    let args = ["--grpc-addr", "127.0.0.1:0"];
    let server = start_server_process(app.database.url().expose(), &args);
    let addr = server.wait_for_address("serving gRPC");
    server.wait_for_log("serving");
    let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap();
    let mut client = DirectoryServiceClient::new(endpoint.connect().await.unwrap());
    let (external_id, name) = ("c".to_owned(), "a".to_owned());
    let cases = vec![UpsertCase { external_id, name, ..UpsertCase::default() }];
    let message = BatchUpsertCasesRequest { cases, validate_only: false };
    client.batch_upsert_cases(request(key, message)).await.unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_has_not_appended_when_it_is_killed_another_one_appends() {
    let app = App::start().await;
    let key = app.key_with(&[Scope::Admin]).await;
    feed_a_case(&app, &key).await.kill();
    let written = written(&app, 1).await;
    assert_eq!(written.len(), 1, "{written:?}");
    assert_eq!(written[0].event, "cases.fed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_is_in_the_log_of_the_server_too() {
    let app = App::start().await;
    let key = app.key_with(&[Scope::Admin]).await;
    // So that nobody else appends it.
    app.shutdown.cancel();
    app.database.await_listeners(0);
    let server = feed_a_case(&app, &key).await;
    server.terminate();
    let log = server.wait_for_exit().log();
    let lines: Vec<_> = log.iter().filter(|line| line["event"] == "cases.fed").collect();
    let [line] = lines[..] else { panic!("{log:?}") };
    let stored = "SELECT number, encode(hash, 'hex'), details FROM audit_entries \
        WHERE event = 'cases.fed'";
    let logged = format!(
        "{}|{}|{}",
        line["number"],
        line["hash"].as_str().unwrap(),
        line["details"].as_str().unwrap()
    );
    assert_eq!(logged, app.database.query(stored));
    assert_eq!((&line["target"], &line["message"]), (&"caseload::audit".into(), &"audit".into()));
}

/// As after a time without servers. A step takes 1,000.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_appended_in_its_order_and_stays_where_that_fails() {
    let shell = AdminShell::open();
    shell.json(&["tenant", "create", "Globex"]);
    let (store, tenant) = (shell.database.open(), TenantId::new(1).unwrap());
    let leave = |event: &str, count: u32| {
        shell.database.query(&format!(
            "INSERT INTO audit_outbox (tenant_id, event, api_key_id, request_id, subject_id) \
             SELECT 1, '{event}', 7, 'a-request', n FROM generate_series(1, {count}) AS n"
        ));
    };
    leave("case.changed", 2500);
    let mut steps = Vec::new();
    for _ in 0..3 {
        steps.push(store.move_audit_outbox(tenant).await.unwrap());
    }
    assert_eq!(steps, [true, true, false]);
    assert_eq!(store.tenants_in_audit_outbox().await.unwrap(), []);
    // The tenant is the first entry.
    let are_in_order = "SELECT count(*), bool_and(number = subject_id + 1) FROM audit_entries \
         WHERE event = 'case.changed'";
    assert_eq!(shell.database.query(are_in_order), "2500|t");

    leave("no event", 1);
    leave("case.changed", 1);
    assert!(store.move_audit_outbox(tenant).await.is_err());
    assert_eq!(shell.database.query("SELECT count(*) FROM audit_outbox"), "2");
    let waiting = store.tenants_in_audit_outbox().await.unwrap();
    assert_eq!(waiting.iter().map(|(tenant, _)| *tenant).collect::<Vec<_>>(), [tenant]);
    assert_eq!(store.verify_audit_log(tenant, Vec::new()).await.unwrap().faults, []);
}
