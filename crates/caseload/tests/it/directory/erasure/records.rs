//! What an erasure leaves in the records of each operation and in the history of tasks, and which
//! transactions it waits for.

use std::collections::BTreeSet;

use localdb::Cluster;
use proto::{
    FieldMask,
    cases::v1::{CreateCaseRequest, NewCase, case_service_client::CaseServiceClient},
    directory::v1::EraseUserRequest,
    tasks::v1::{
        Assignee, CreateTaskRequest, ListTaskEventsRequest, Task, TaskUpdate, UpdateTaskRequest,
    },
};

use super::{EMAIL, TRACES, create, erase, feed, traces};
use crate::{
    directory::{Feeder, by_email, by_id},
    support::{App, TestDatabase, code_and_reasons, new_task},
};

/// Makes calls about tasks and cases, with a key for all.
struct Caller<'a> {
    app: &'a App,
    key: domain::ApiKey,
}

impl Caller<'_> {
    fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let value = format!("Bearer {}", self.key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }

    /// Creates a task of the user with an idempotency key, or repeats that.
    async fn create_task(&self) -> Task {
        let message = CreateTaskRequest {
            case_id: self.app.case_id,
            task: Some(new_task("theirs", &[EMAIL, "user1@example.com"])),
            request_id: "a-task".to_owned(),
            validate_only: false,
        };
        let mut client = self.app.grpc_client().await;
        client.create_task(self.request(message)).await.unwrap().into_inner().task.unwrap()
    }

    /// Creates a case with tasks of the user with an idempotency key, or repeats that.
    async fn create_case(&self) -> Vec<Task> {
        let tasks = vec![new_task("a", &["user2@example.com", EMAIL]), new_task("b", &[EMAIL])];
        let case = NewCase { name: "theirs".to_owned(), tasks, ..NewCase::default() };
        let message = CreateCaseRequest {
            case: Some(case),
            request_id: "a-case".to_owned(),
            validate_only: false,
        };
        let mut client = CaseServiceClient::new(self.app.channel().await);
        client.create_case(self.request(message)).await.unwrap().into_inner().tasks
    }

    /// Assigns a task to these users.
    async fn assign(&self, task: &Task, emails: &[&str]) {
        let task_update = TaskUpdate {
            id: task.id,
            assignee_emails: emails.iter().map(ToString::to_string).collect(),
            update_mask: Some(FieldMask { paths: vec!["assignee_emails".to_owned()] }),
            ..TaskUpdate::default()
        };
        let (case_id, task) = (task.case_id, Some(task_update));
        let message = UpdateTaskRequest { case_id, task, validate_only: false };
        self.app.grpc_client().await.update_task(self.request(message)).await.unwrap();
    }

    /// Returns the users of each event of a task.
    async fn history(&self, task: &Task) -> Vec<Vec<Assignee>> {
        let (case_id, task_id) = (task.case_id, task.id);
        let message = ListTaskEventsRequest { case_id, task_id, ..Default::default() };
        let mut client = self.app.grpc_client().await;
        let page = client.list_task_events(self.request(message)).await.unwrap().into_inner();
        page.task_events.into_iter().map(|event| event.users).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_and_no_event_tells_who_an_erased_user_was() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let caller = Caller { app: &app, key: app.key_for_all().await };
    let doomed = feed(&mut feeder).await;
    let (task, of_case) = (caller.create_task().await, caller.create_case().await);
    caller.assign(&task, &["user1@example.com"]).await;
    caller.assign(&task, &["user1@example.com", EMAIL]).await;
    assert_eq!(traces(&app.database), BTreeSet::from(TRACES));
    let [created, unassigned, assigned] = &caller.history(&task).await[..] else { panic!() };
    assert_eq!((created[0].email.as_str(), unassigned, assigned), (EMAIL, assigned, unassigned));

    erase(&mut feeder, EraseUserRequest { user: by_email(EMAIL) }).await.unwrap();
    assert_eq!(traces(&app.database), BTreeSet::new());

    // Repeats have the emails that they name themselves, and no names of the user.
    let nameless = |email: &str| Assignee {
        id: doomed.id.clone(),
        email: email.to_owned(),
        ..Assignee::default()
    };
    let repeated = caller.create_task().await;
    assert_eq!(repeated.id, task.id);
    assert_eq!(repeated.assignees, [nameless(EMAIL), task.assignees[1].clone()]);
    let repeated = caller.create_case().await;
    assert_eq!(repeated[0].id, of_case[0].id);
    assert_eq!(repeated[0].assignees, [of_case[0].assignees[0].clone(), nameless(EMAIL)]);
    assert_eq!(repeated[1].assignees, [nameless(EMAIL)]);

    // Events name the user by the placeholder.
    let placeholder = nameless(&format!("erased-{}@erased.invalid", doomed.id));
    let [created, unassigned, assigned] = &caller.history(&task).await[..] else { panic!() };
    assert_eq!(created[..], [placeholder.clone(), task.assignees[1].clone()]);
    assert_eq!((&unassigned[..], &assigned[..]), (&[placeholder.clone()][..], &[placeholder][..]));
    assert_eq!(caller.history(&of_case[1]).await[0][0].first_name, "");
}

/// A transaction that writes records may be prepared, and have no process.
#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transaction_is_waited_for_as_any_other() {
    let cluster = Cluster::temporary()
        .setting("max_prepared_transactions", "1")
        .setting("shared_buffers", "4MB")
        .start()
        .unwrap();
    let database = TestDatabase::create_on(&cluster).await;
    let app = App::builder().server_args(&["--call-timeout", "500ms"]).start_on(database).await;
    let mut feeder = Feeder::new(&app).await;
    let doomed = feed(&mut feeder).await;
    create(&app, "a-key").await.unwrap();
    app.database
        .query("BEGIN; LOCK TABLE idempotency_keys IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'a'");
    let request = EraseUserRequest { user: by_email(EMAIL) };
    let status = erase(&mut feeder, request).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "DEADLINE_EXCEEDED DEADLINE_EXCEEDED");
    app.database.query("COMMIT PREPARED 'a'");
    erase(&mut feeder, EraseUserRequest { user: by_id(&doomed) }).await.unwrap();
    assert_eq!(traces(&app.database), BTreeSet::new());
}
