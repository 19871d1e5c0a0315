//! Lists of cases: pages, filters and tokens.

use proto::cases::v1::{CaseStatus, ListCasesRequest, Priority};
use reqwest::Method;
use serde_json::{Value, json};

use super::{CASES, Client};
use crate::support::{App, code_and_reasons};

/// Creates cases with these names, beside the one that the app has.
async fn create(client: &Client<'_>, bodies: &[Value]) {
    for body in bodies {
        assert_eq!(client.send(Method::POST, CASES, body).await.status, 201);
    }
}

fn names(page: &Value) -> Vec<&str> {
    let cases = page["cases"].as_array().unwrap();
    cases.iter().map(|case| case["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_listed_by_pages_in_the_order_of_creation() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    app.other_tenant().await;
    let bodies: Vec<_> = (1..=4).map(|n| json!({"name": n.to_string()})).collect();
    create(&client, &bodies).await;

    let first = client.get(&format!("{CASES}?per_page=2")).await;
    assert_eq!((first.status.as_u16(), names(&first.body)), (200, vec!["A case", "1"]));
    let url = |page| format!("http://{}{CASES}?page={page}&per_page=2", app.http_addr);
    let meta = json!({
        "current_page": 1, "previous_page": null, "next_page": url(2), "next_page_number": 2,
        "per_page": 2, "pages": 3, "count": 5,
    });
    assert_eq!(first.body["meta"], meta);
    let last = client.get(&format!("{CASES}?page=3&per_page=2")).await;
    assert_eq!(
        (names(&last.body), &last.body["meta"]["previous_page"]),
        (vec!["4"], &json!(url(2)))
    );
    let past = client.get(&format!("{CASES}?page=9&per_page=2")).await;
    assert_eq!((names(&past.body), &past.body["meta"]["count"]), (vec![], &json!(5)));
    // Each case is as it is by itself, and without parameters a page has 20.
    let all = client.get(CASES).await;
    assert_eq!((names(&all.body).len(), &all.body["meta"]["per_page"]), (5, &json!(20)));
    let case = &all.body["cases"][1];
    assert_eq!(client.get(&format!("{CASES}/{}", case["case_id"])).await.body, *case);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_combined_and_kept_in_links() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    create(
        &client,
        &[
            json!({"name": "a", "priority": "HIGH", "team_id": 7}),
            json!({"name": "b", "priority": "HIGH", "status": "CLOSED", "team_id": 7}),
            json!({"name": "c", "priority": "HIGH", "status": "CLOSED", "team_id": 8}),
            json!({"name": "d", "status": "CLOSED", "team_id": 7}),
        ],
    )
    .await;
    for (query, expected) in [
        ("priority=HIGH", &["a", "b", "c"][..]),
        ("status=CLOSED", &["b", "c", "d"]),
        ("status=OPEN", &["A case", "a"]),
        ("team_id=7", &["a", "b", "d"]),
        ("priority=HIGH&status=CLOSED&team_id=7", &["b"]),
        ("priority=CRITICAL", &[]),
    ] {
        let page = client.get(&format!("{CASES}?{query}")).await;
        assert_eq!(names(&page.body), expected, "{query}");
        assert_eq!(page.body["meta"]["count"], expected.len(), "{query}");
    }
    let page = client.get(&format!("{CASES}?team_id=7&priority=HIGH&per_page=1")).await;
    let next = page.body["meta"]["next_page"].as_str().unwrap();
    let query = "page=2&per_page=1&priority=HIGH&team_id=7";
    assert_eq!(next, format!("http://{}{CASES}?{query}", app.http_addr));
    for (query, violation) in [
        ("priority=low", "UNKNOWN_VALUE -"),
        ("status=", "UNKNOWN_VALUE -"),
        ("team_id=x", "OUT_OF_RANGE -"),
        ("per_page=51", "OUT_OF_RANGE -"),
        ("order=NAME", "UNKNOWN_PARAMETER -"),
        ("status=OPEN&status=OPEN", "DUPLICATE_PARAMETER -"),
    ] {
        let refused = client.get(&format!("{CASES}?{query}")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.violations()),
            (400, vec![violation.to_owned()])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_page_is_the_same_from_either_end() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    app.other_tenant().await;
    app.database.query(&format!(
        "DELETE FROM cases WHERE id = {};
         INSERT INTO cases (tenant_id, name, status)
             SELECT {}, n, CASE WHEN n % 3 = 0 THEN 'CLOSED' ELSE 'OPEN' END
             FROM generate_series(1, 101) AS n",
        app.case_id, app.tenant
    ));
    for (filter, is_listed) in
        [("", None), ("&status=CLOSED", Some(true)), ("&status=OPEN", Some(false))]
    {
        let listed =
            (1..=101_u32).filter(|n| is_listed.is_none_or(|closed| closed == (n % 3 == 0)));
        let all: Vec<_> = listed.map(|n| n.to_string()).collect();
        for per_page in [1, 7, 50] {
            let mut walked = Vec::new();
            for page in 1..=all.len().div_ceil(per_page) {
                let path = format!("{CASES}?page={page}&per_page={per_page}{filter}");
                let body = client.get(&path).await.body;
                walked.extend(names(&body).into_iter().map(str::to_owned));
            }
            assert_eq!(walked, all, "{per_page} {filter}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_by_tokens_lists_each_case_once() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let bodies: Vec<_> = (0..5).map(|n| json!({"name": n.to_string(), "team_id": 7})).collect();
    create(&client, &bodies).await;
    let mut grpc = client.grpc().await;
    let mut list = async |request: ListCasesRequest| {
        grpc.list_cases(client.with_key(request)).await.map(tonic::Response::into_inner)
    };
    let of_team = ListCasesRequest { page_size: 2, team_id: Some(7), ..Default::default() };
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = list(ListCasesRequest { page_token, ..of_team.clone() }).await.unwrap();
        assert_eq!(page.total_size, 0);
        if found.is_empty() {
            // The case at which the page ends may be deleted.
            client.delete(&format!("{CASES}/{}", page.cases[1].id)).await;
        }
        found.extend(page.cases.into_iter().map(|case| case.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, ["0", "1", "2", "3", "4"]);
    let all = ListCasesRequest { skip: 1, count_total: true, ..Default::default() };
    let page = list(all).await.unwrap();
    assert_eq!((page.cases.len(), page.total_size), (4, 5));
    let page = list(of_team.clone()).await.unwrap();
    for (request, expected) in [
        (
            ListCasesRequest { page_token: page.next_page_token.clone(), ..Default::default() },
            "INVALID_ARGUMENT INVALID_PAGE_TOKEN",
        ),
        (
            ListCasesRequest { page_size: -1, skip: -1, ..of_team.clone() },
            "INVALID_ARGUMENT OUT_OF_RANGE OUT_OF_RANGE",
        ),
        (
            ListCasesRequest { priority: 9, status: -9, team_id: Some(0), ..Default::default() },
            "INVALID_ARGUMENT UNKNOWN_VALUE UNKNOWN_VALUE NOT_POSITIVE",
        ),
    ] {
        assert_eq!(code_and_reasons(&list(request).await.unwrap_err()), expected);
    }
    let closed = ListCasesRequest {
        priority: Priority::Low.into(),
        status: CaseStatus::Closed.into(),
        ..Default::default()
    };
    assert_eq!(list(closed).await.unwrap().cases, []);
}
