//! Recovery to a moment: from a base backup and the archive of the write-ahead log, by the commands of
//! docs/HOWTO.md.

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use localdb::Cluster;
use reqwest::Method;
use runtime::CancellationToken;
use serde_json::{Value, json};
use store::DatabaseUrl;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::probes::await_ready;
use crate::{
    documentation::PageCommands,
    support::{
        App, CASELOAD, Program, Reply, TestDatabase, polling::eventually, postgres_program, psql,
        start_gateway, start_server,
    },
};

/// The number of callers. Every second one uses idempotency keys.
const CALLERS: usize = 6;

/// How many batches are to be acknowledged at least before the next step.
const BATCHES: usize = 40;

/// Those settings of the old server that the new one must have, too.
const CONNECTIONS: &str = "80";

/// Runs commands of the how-to.
fn how_to(name: &str, replaced: &[(&str, &str)]) -> String {
    let commands = PageCommands::of("docs/HOWTO.md", name);
    replaced.iter().fold(commands, |commands, (from, to)| commands.replace(from, to)).run()
}

/// What callers have begun, and what was acknowledged, by the names of the batches.
#[derive(Clone, Default)]
struct Names {
    begun: HashSet<String>,
    acknowledged: HashSet<String>,
}

/// Callers that create one batch after the other.
struct Load {
    names: Arc<Mutex<Names>>,
    is_over: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

impl Load {
    fn start(app: &Arc<App>) -> Self {
        let (names, is_over) = (Arc::<Mutex<Names>>::default(), Arc::<AtomicBool>::default());
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let (app, names, is_over) = (Arc::clone(app), Arc::clone(&names), Arc::clone(&is_over));
            callers.spawn(async move {
                for turn in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let name = format!("{number}-{turn}");
                    names.lock().unwrap().begun.insert(name.clone());
                    assert_eq!(create(&app, &name).await.status, 201);
                    names.lock().unwrap().acknowledged.insert(name);
                }
            });
        }
        Self { names, is_over, callers }
    }

    fn names(&self) -> Names {
        self.names.lock().unwrap().clone()
    }

    /// Waits until more batches were acknowledged.
    async fn await_progress(&self) {
        let before = self.names().acknowledged.len();
        eventually("progress", async || {
            (self.names().acknowledged.len() >= before + BATCHES).then_some(())
        })
        .await;
    }

    async fn stop(self) -> Names {
        self.is_over.store(true, Ordering::SeqCst);
        self.callers.join_all().await;
        Arc::into_inner(self.names).unwrap().into_inner().unwrap()
    }
}

/// Creates a batch of two tasks with this name. Every second caller sends it as an idempotency key, too.
async fn create(app: &App, name: &str) -> Reply {
    let email = "user1@example.com";
    let task = json!({"description": name, "assignee_emails": [email]});
    let request = app.post().body(json!({"tasks": [task, task]}).to_string());
    let is_keyed = name.as_bytes()[0].is_multiple_of(2);
    Reply::of(if is_keyed { request.header("idempotency-key", name) } else { request }).await
}

/// Creates a task and changes it, and creates and deletes another one.
async fn change(app: &App) {
    let created = create(app, "1-changed").await;
    let [changed, deleted] = [0, 1].map(|task| {
        format!("/api/v2/cases/{}/tasks/{}", app.case_id, created.body["tasks"][task]["id"])
    });
    let body = json!({"completed": true, "assignee_emails": ["user3@example.com"]});
    for (method, path, body) in
        [(Method::PUT, changed, body), (Method::DELETE, deleted, Value::Null)]
    {
        let request = app.request(method, &path).bearer_auth(app.key.expose()).json(&body);
        assert_eq!(Reply::of(request).await.status, 200);
    }
}

/// Gives a directory and all that is in it to the user that runs a Postgres.
fn give_to(cluster: &Cluster, path: &Path) {
    let owner = fs::metadata(cluster.data_dir()).unwrap();
    lchown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give_to(cluster, &entry.unwrap().path());
        }
    }
}

/// Where backups are: a directory that Postgres' user can enter and write to.
fn backup_directory(cluster: &Cluster) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("wal")).unwrap();
    give_to(cluster, directory.path());
    directory
}

/// Waits until all that was written so far is in the archive.
async fn await_archived(database: &TestDatabase) {
    let last = database.query("SELECT pg_walfile_name(pg_switch_wal())");
    eventually("the last file in the archive", async || {
        let archived = database.query("SELECT last_archived_wal FROM pg_stat_archiver");
        (archived >= last).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_recovered_to_a_moment_with_exactly_what_was_acknowledged_before() {
    if postgres_program("pg_basebackup").arg("--version").output().is_err() {
        eprintln!("not checked: pg_basebackup is not installed");
        return;
    }
    let mut primary = Cluster::temporary()
        .setting("shared_buffers", "4MB")
        .setting("max_connections", CONNECTIONS)
        .start()
        .unwrap();
    let backup = backup_directory(&primary);
    let path = backup.path().to_str().unwrap();
    let url = format!("'{}'", primary.url("postgres"));
    how_to("wal archive", &[("-d caseload", &format!("-d {url}")), ("/backup", path)]);
    primary.stop().unwrap();
    primary.start().unwrap();
    let database = TestDatabase::create_on(&primary).await;
    let mut app = App::builder().start_on(database.clone()).await;
    await_ready(&app).await;
    change(&app).await;
    let app_before = Arc::new(app);
    let load = Load::start(&app_before);
    load.await_progress().await;
    let server = "postgresql://postgres@db.example/postgres";
    how_to("base backup", &[(server, &url), ("/backup", path)]);
    load.await_progress().await;

    let before = load.names();
    let moment = database.query("SELECT clock_timestamp()");
    let at_the_moment = load.names();
    load.await_progress().await;
    // All rows are gone in the end, as by a mistake.
    let all = load.stop().await;
    await_archived(&database).await;
    database
        .query("TRUNCATE tasks, task_assignees, task_events, creation_events, idempotency_keys");
    await_archived(&database).await;
    app = Arc::into_inner(app_before).unwrap();
    app.shutdown.cancel();
    primary.kill().unwrap();

    // Postgres' user has to get through.
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let data = home.path().join("pgdata");
    how_to(
        "recovery",
        &[
            ("/var/lib/postgresql/recovered", data.to_str().unwrap()),
            ("/backup", path),
            ("2030-01-31 12:00:00+00", &moment),
        ],
    );
    give_to(&primary, &data);
    let recovered = Cluster::persistent(home.path())
        .setting("shared_buffers", "4MB")
        .setting("max_connections", CONNECTIONS)
        .start()
        .unwrap();
    let url = recovered.url("caseload").parse().unwrap();
    eventually("the end of the recovery", async || {
        (psql(&url, "SELECT pg_is_in_recovery()") == "f").then_some(())
    })
    .await;

    let rows = psql(&url, "SELECT description, count(*) FROM tasks GROUP BY description");
    let rows: HashSet<_> = rows.lines().map(str::to_owned).collect();
    let row = |name: &String| format!("{name}|2");
    let acknowledged: HashSet<_> = before.acknowledged.iter().map(row).collect();
    let lost: Vec<_> = acknowledged.difference(&rows).collect();
    assert!(lost.is_empty(), "acknowledged before, and not recovered: {lost:?}");
    let after: HashSet<_> = all.begun.difference(&at_the_moment.begun).map(row).collect();
    assert!(after.len() >= BATCHES, "{}", after.len());
    let late: Vec<_> = after.intersection(&rows).collect();
    assert!(late.is_empty(), "begun after the moment: {late:?}");
    let known: HashSet<_> = at_the_moment.begun.iter().map(row).collect();
    let others: Vec<_> = rows.difference(&known).collect();
    assert_eq!(others, ["1-changed|1"], "whole batches only");

    let greatest = "SELECT max(id) FROM tasks";
    let [known, url_argument] = [psql(&url, greatest), format!("-d '{}'", url.expose())];
    how_to("recovered ids", &[("-d caseload", &url_argument)]);
    serves(&mut app, &url, (&before, &after)).await;
    let next: i64 = psql(&url, greatest).parse().unwrap();
    assert!(next > known.parse::<i64>().unwrap() + 1_000_000, "{known} {next}");
    verifies(&url);
}

/// Checks that a service on the recovered database knows the idempotency keys of before the moment, and none of
/// after.
async fn serves(app: &mut App, url: &DatabaseUrl, (before, after): (&Names, &HashSet<String>)) {
    app.shutdown = CancellationToken::new();
    app.grpc_addr = start_server(url, &[], &app.shutdown).await;
    app.http_addr = start_gateway(app.grpc_addr, &app.shutdown).await;
    await_ready(app).await;
    let is_keyed = |name: &&str| name.as_bytes()[0].is_multiple_of(2);
    let known = before.acknowledged.iter().map(String::as_str).find(is_keyed).unwrap();
    let late = after.iter().map(|row| row.trim_end_matches("|2")).find(is_keyed).unwrap();
    for (name, replayed) in [(known, "true"), (late, ""), (late, "true")] {
        let reply = create(app, name).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        assert_eq!(reply.header("idempotency-replayed"), replayed, "{name}");
    }
    change(app).await;
}

/// Checks that the recovered database is consistent, and that one which lacks a task is not.
fn verifies(url: &DatabaseUrl) {
    let verify = || {
        let variables = [("CASELOAD_DATABASE_URL", url.expose())];
        Program::start_with_env(CASELOAD, &["admin", "verify"], &variables).wait_for_exit()
    };
    let verified = verify();
    assert_eq!((verified.code(), &*verified.stderr), (Some(0), ""), "{verified:?}");
    psql(
        url,
        "SET session_replication_role = replica; DELETE FROM tasks WHERE id = (SELECT max(id) FROM tasks)",
    );
    let sabotaged = verify();
    assert_eq!(sabotaged.code(), Some(1), "{sabotaged:?}");
    assert!(sabotaged.stderr.contains("not so: creations are complete: task "), "{sabotaged:?}");
    assert!(sabotaged.stderr.contains("not so: task_assignees_task_fkey holds: "), "{sabotaged:?}");
}
