//! Cases, by the caller's own ids.

use proto::{
    cases::v1::{Case, CaseStatus, Priority},
    directory::v1::{
        BatchUpsertCasesRequest, CaseKey, Change, CloseCaseRequest, GetCaseRequest, UpsertCase,
        UpsertedCase, case_key,
    },
};

use super::Feeder;
use crate::support::{App, create_over_grpc, new_task};

fn case(external_id: &str, name: &str) -> UpsertCase {
    let (external_id, name) = (external_id.to_owned(), name.to_owned());
    UpsertCase { external_id, name, ..UpsertCase::default() }
}

/// Returns what became of cases, and what they are.
fn summary(fed: &[UpsertedCase]) -> Vec<String> {
    let summary = fed.iter().map(|fed| {
        let case = fed.case.as_ref().unwrap();
        let Case { name, description, team_id, .. } = case;
        let change = fed.change();
        let (priority, status) = (case.priority().as_str_name(), case.status().as_str_name());
        format!("{change:?} {} {name}/{description}/{priority}/{status}/{team_id}", fed.external_id)
    });
    summary.collect()
}

fn by_external_id(id: &str) -> Option<CaseKey> {
    Some(CaseKey { key: Some(case_key::Key::ExternalId(id.to_owned())) })
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_created_changed_or_left_as_they_are() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let full = UpsertCase {
        description: Some(" all of it ".to_owned()),
        priority: Priority::High.into(),
        status: CaseStatus::Closed.into(),
        team_id: Some(7),
        ..case("c1", " One ")
    };
    let created = feeder.try_feed_cases(&[full.clone(), case("c2", "Two")]).await.unwrap();
    assert_eq!(
        summary(&created),
        [
            "Created c1 One/all of it/PRIORITY_HIGH/CASE_STATUS_CLOSED/7",
            "Created c2 Two//PRIORITY_LOW/CASE_STATUS_OPEN/0",
        ]
    );
    let first = created[0].case.clone().unwrap();
    assert!(first.id > 0 && first.created_at.is_some() && !first.etag.is_empty());
    assert_eq!(first.created_at, first.updated_at);

    let rows = "SELECT xmin, * FROM cases ORDER BY id";
    let before = app.database.query(rows);
    let repeated = feeder.try_feed_cases(&[case("c2", "Two"), full]).await.unwrap();
    assert!(repeated.iter().all(|fed| fed.change() == Change::Unchanged), "{repeated:?}");
    assert_eq!(repeated[1].case.as_ref(), Some(&first));
    assert_eq!(app.database.query(rows), before);

    let changes = vec![
        case("c3", "Three"),
        UpsertCase { team_id: Some(0), ..case("c1", "One") },
        UpsertCase { priority: Priority::Critical.into(), ..case("c2", "Two") },
    ];
    let trial = BatchUpsertCasesRequest { cases: changes.clone(), validate_only: true };
    let trial = feeder.client.batch_upsert_cases(feeder.request(trial)).await.unwrap();
    let expected = [
        "Created c3 Three//PRIORITY_LOW/CASE_STATUS_OPEN/0",
        "Updated c1 One/all of it/PRIORITY_HIGH/CASE_STATUS_CLOSED/0",
        "Updated c2 Two//PRIORITY_CRITICAL/CASE_STATUS_OPEN/0",
    ];
    let trial = trial.into_inner().cases;
    assert_eq!(summary(&trial), expected);
    assert_eq!(trial[0].case.as_ref().unwrap().id, 0);
    assert_eq!(app.database.query(rows), before);

    let changed = feeder.try_feed_cases(&changes).await.unwrap();
    assert_eq!(summary(&changed), expected);
    let now = changed[1].case.clone().unwrap();
    assert_eq!((now.id, now.created_at), (first.id, first.created_at));
    let nanos = |case: &Case| case.updated_at.map(|time| (time.seconds, time.nanos)).unwrap();
    assert!(nanos(&now) > nanos(&first));
    assert_ne!(now.etag, first.etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_closed_once_and_keeps_its_tasks() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    create_over_grpc(&app, vec![new_task("a task", &[])]).await;
    let by_id = Some(CaseKey { key: Some(case_key::Key::Id(app.case_id)) });
    let closed = feeder.request(CloseCaseRequest { case: by_id.clone() });
    let closed = feeder.client.close_case(closed).await.unwrap().into_inner();
    assert_eq!(closed.case.as_ref().unwrap().status(), CaseStatus::Closed);
    assert_eq!(closed.external_id, "");
    let again = feeder.request(CloseCaseRequest { case: by_id.clone() });
    assert_eq!(feeder.client.close_case(again).await.unwrap().into_inner(), closed);
    let found = feeder.request(GetCaseRequest { case: by_id });
    assert_eq!(feeder.client.get_case(found).await.unwrap().into_inner().case, closed.case);
    assert_eq!(app.row_counts(), (1, 0));

    feeder.try_feed_cases(&[case("c1", "One")]).await.unwrap();
    let closed = feeder.request(CloseCaseRequest { case: by_external_id("c1") });
    let closed = feeder.client.close_case(closed).await.unwrap().into_inner();
    assert_eq!(closed.external_id, "c1");
    // What a feed does not say stays as it is.
    let fed = feeder.try_feed_cases(&[case("c1", "One")]).await.unwrap();
    assert_eq!(summary(&fed), ["Unchanged c1 One//PRIORITY_LOW/CASE_STATUS_CLOSED/0"]);
    let found = feeder.request(GetCaseRequest { case: by_external_id("c1") });
    let found = feeder.client.get_case(found).await.unwrap().into_inner();
    assert_eq!((found.case, found.external_id), (closed.case, "c1".to_owned()));
}
