//! The ids of transactions in events: what a reader who takes all events in turn relies on, as docs/OPERATIONS.md
//! describes it ("History of tasks").

use localdb::Cluster;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, of};
use crate::support::{App, Reply, Session, TestDatabase, polling::wait_until};

/// Writes an event of a creation and one of a change, and returns the id and the transaction of each.
const WRITE: &str = "
    INSERT INTO creation_events
        (id, tenant_id, case_id, api_key_id, task_ids, user_ends, request_id)
    VALUES (nextval('task_events_id_seq'), 1, 1, 1, '{1}', '{0}', 'r') RETURNING id, xid;
    INSERT INTO task_events (tenant_id, kind, case_id, task_id, api_key_id, request_id)
    VALUES (1, 'completed', 1, 1, 1, 'r') RETURNING id, xid";

/// All events.
const EVENTS: &str =
    "(SELECT id, xid FROM creation_events UNION ALL SELECT id, xid FROM task_events) AS e";

/// Reads all events in turn, by windows.
struct Reader {
    session: Session,
    /// Where the last window has ended.
    end: u64,
    /// The ids of all events that were read.
    read: Vec<u64>,
}

impl Reader {
    fn open(app: &App) -> Self {
        Self { session: Session::open(app.database.url()), end: 0, read: Vec::new() }
    }

    /// Reads the next window. Returns how many events were read since the beginning.
    fn read(&mut self) -> usize {
        let window = self.session.query(&format!(
            "SELECT pg_snapshot_xmin(pg_current_snapshot()), string_agg(id::text, ' ' ORDER BY id)
             FROM {EVENTS}
             WHERE xid >= '{}' AND xid < pg_snapshot_xmin(pg_current_snapshot())",
            self.end
        ));
        let (end, ids) = window.split_once('|').unwrap();
        self.end = end.parse().unwrap();
        self.read.extend(ids.split_whitespace().map(|id| id.parse::<u64>().unwrap()));
        self.read.len()
    }
}

/// Parses ids and transactions.
fn pairs(lines: &str) -> Vec<(u64, u64)> {
    let pair = |line: &str| {
        let (id, xid) = line.split_once('|').unwrap();
        (id.parse().unwrap(), xid.parse().unwrap())
    };
    lines.lines().map(pair).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_up_to_the_oldest_open_transaction_have_each_event_once_in_whatever_order_they_commit()
 {
    // In a Postgres that others use, the oldest transaction may be one of theirs.
    let cluster = Cluster::temporary().start().unwrap();
    let app = App::builder().start_on(TestDatabase::create_on(&cluster).await).await;
    let client = Client::new(&app).await;
    let mut reader = Reader::open(&app);
    for older_commits_first in [true, false] {
        let mut older = Session::open(app.database.url());
        let mut younger = Session::open(app.database.url());
        // The older transaction has the lower xid, and the events with the higher ids.
        older.query("BEGIN; SELECT pg_current_xact_id()");
        let of_younger = pairs(&younger.query(&format!("BEGIN; {WRITE}")));
        let of_older = pairs(&older.query(WRITE));
        assert!(of_younger.iter().max() < of_older.iter().min(), "{of_younger:?} {of_older:?}");
        assert!(of_older[0].1 < of_younger[0].1, "{of_younger:?} {of_older:?}");
        // Others have committed meanwhile.
        let (task, _) = client.create("a", &[]).await;
        let completed = json!({"completed": true});
        let reply = client.send(Method::PUT, &client.path(&of(&task)), &completed).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let before = reader.read();
        assert!(reader.read.iter().all(|id| *id < of_younger[0].0), "{:?}", reader.read);

        let mut sessions = [older, younger];
        if !older_commits_first {
            sessions.reverse();
        }
        let [mut first, mut last] = sessions;
        first.query("COMMIT");
        let visible = app.database.query(&format!("SELECT count(*) FROM {EVENTS}"));
        assert_eq!(visible, (before + 4).to_string(), "two are not visible yet");
        // What the older one wrote is settled, and nothing else.
        let settled = if older_commits_first { before + 2 } else { before };
        wait_until("the end of what is settled", || reader.read() == settled);
        last.query("COMMIT");
        wait_until("all events", || reader.read() == before + 6);
    }
    let all =
        app.database.query(&format!("SELECT string_agg(id::text, ' ' ORDER BY id) FROM {EVENTS}"));
    reader.read.sort_unstable();
    let read: Vec<_> = reader.read.iter().map(u64::to_string).collect();
    assert_eq!(read.join(" "), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_every_change_have_the_id_of_its_transaction() {
    const WRITTEN: &str = "SELECT count(*), bool_and(xid::text = writer::text)
        FROM (
            SELECT xid, xmin AS writer FROM creation_events UNION ALL SELECT xid, xmin FROM task_events
        ) AS e";
    // What a transaction has written last: a case, a task that it has created, or one that it has changed.
    const CASES: &str = "SELECT count(*) FROM creation_events AS e
        JOIN cases AS c ON c.tenant_id = e.tenant_id AND c.id = e.case_id AND c.xmin::text = e.xid::text";
    const CREATED: &str = "SELECT count(*) FROM creation_events AS e
        JOIN tasks AS t ON t.tenant_id = e.tenant_id AND t.creation_event_id = e.id
            AND t.xmin::text = e.xid::text";
    const CHANGED: &str = "SELECT count(*) FROM task_events AS e
        JOIN tasks AS t ON t.tenant_id = e.tenant_id AND t.id = e.task_id AND t.xmin::text = e.xid::text";
    let app = App::start().await;
    let key = app.key_for_all().await;
    let send = async |method: Method, path: &str, body: Value| {
        let request = app.request(method, path).bearer_auth(key.expose()).json(&body);
        let reply = Reply::of(request).await;
        assert!(reply.status.is_success(), "{path}: {reply:?}");
        reply.body
    };
    let tasks = json!([{"description": "a"}, {"description": "b"}, {"description": "c"}]);
    let case = json!({"name": "A case", "tasks": tasks});
    let case = send(Method::POST, "/api/v2/cases", case).await;
    let counts = [WRITTEN, CASES, CREATED].map(|sql| app.database.query(sql));
    assert_eq!(counts, ["1|t", "1", "3"]);

    let path = format!("/api/v2/cases/{}", case["case_id"]);
    let [one, two, three] = [0, 1, 2].map(|index| case["tasks"][index]["id"].clone());
    let change =
        json!({"description": "A", "completed": true, "assignee_emails": ["user1@example.com"]});
    send(Method::PUT, &format!("{path}/tasks/{one}"), change).await;
    let both = json!([{"id": two, "completed": true}, {"id": three, "description": "C"}]);
    send(Method::PUT, &format!("{path}/tasks/batch"), json!({"tasks": both})).await;
    let counts = [WRITTEN, CHANGED].map(|sql| app.database.query(sql));
    assert_eq!(counts, ["6|t", "5"]);

    send(Method::DELETE, &format!("{path}/tasks/{one}"), json!({})).await;
    send(Method::DELETE, &format!("{path}/tasks/batch"), json!({"task_ids": [two]})).await;
    send(Method::DELETE, &path, json!({})).await;
    assert_eq!(app.database.query(WRITTEN), "9|t");
}
