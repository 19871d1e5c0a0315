//! Bodies that are not the documented JSON: the response says what is wrong, and nothing is
//! created.

use reqwest::Method;
use serde_json::json;

use crate::support::{
    App, Reply,
    raw_http::{AfterSending, exchange, request_head},
};

/// Checks that the response is an INVALID_ARGUMENT, and returns `REASON pointer` for each
/// violation.
#[track_caller]
fn violations(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 400, "{reply:?}");
    assert_eq!(reply.problem()["code"], "INVALID_ARGUMENT");
    reply.violations()
}

/// Sends each body, and checks that its one violation is the expected one.
async fn assert_violation<B: AsRef<[u8]>>(table: impl IntoIterator<Item = (B, &str)>) {
    let app = App::start().await;
    for (body, violation) in table {
        let body = body.as_ref();
        let start = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        let reply = app.create(body.to_vec()).await;
        assert_eq!(violations(&reply), [violation], "{start}");
    }
    assert_eq!(app.row_counts(), (0, 0));
    // The service still runs, and a valid request works.
    assert_eq!(app.create(r#"{"tasks":[{"description":"a"}]}"#).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_is_rejected_as_invalid_json() {
    let table: &[&[u8]] = &[
        b"",
        b" ",
        b"nonsense",
        b"{",
        b"{}{}",
        b"{} x",
        br#"{"tasks":[{"description":"a"}]} {"tasks":[]}"#,
        b"{'tasks':[]}",
        br#"{"tasks":[{"description":"a"},]}"#,
        br#"{"tasks":[{"description":"cut off"#,
        b"// no comments\n{}",
        // A byte order mark (RFC 8259, 8.1, lets a reader refuse it), and UTF-16.
        b"\xef\xbb\xbf{\"tasks\":[{\"description\":\"a\"}]}",
        b"\xff\xfe{\0}\0",
        // Half a surrogate pair is no character, in whichever string.
        br#"{"tasks":[{"description":"\ud800"}]}"#,
        br#"{"tasks":[{"description":"\ude80"}]}"#,
        br#"{"tasks":[{"description":"\ud83d and more"}]}"#,
        br#"{"tasks":[{"description":"\ude80\ud83d"}]}"#,
        br#"{"tasks":[{"description":"a","assignee_emails":["\udfff@example.com"]}]}"#,
        // Not UTF-8: a stray byte, an overlong NUL, a surrogate, beyond the last character.
        b"{\"tasks\":[{\"description\":\"\xff\"}]}",
        b"{\"tasks\":[{\"description\":\"\xc0\x80\"}]}",
        b"{\"tasks\":[{\"description\":\"\xed\xa0\x80\"}]}",
        b"{\"tasks\":[{\"description\":\"\xf4\x90\x80\x80\"}]}",
        // Control characters must be escaped in JSON.
        b"{\"tasks\":[{\"description\":\"a\0b\"}]}",
        b"{\"tasks\":[{\"description\":\"a\nb\"}]}",
        br#"{"tasks":[{"description":"\x41"}]}"#,
        b"\0",
        // By its grammar this is JSON; a reader may set limits to numbers (RFC 8259, 6).
        br#"{"tasks":[{"description":1e999}]}"#,
    ];
    assert_violation(table.iter().map(|body| (body, "INVALID_JSON -"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_nesting_is_rejected_at_every_level_of_the_body() {
    let nest = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let mut table = Vec::new();
    for levels in [200, 100_000] {
        table.extend([
            // Never closed: the first bracket has the wrong type, and nothing after it is read.
            ("[".repeat(levels), "WRONG_TYPE "),
            (
                format!(r#"{{"tasks":[{{"description":{}"#, "[".repeat(levels)),
                "WRONG_TYPE /tasks/0/description",
            ),
            (nest(levels), "WRONG_TYPE "),
            (format!(r#"{{"tasks":{}}}"#, nest(levels)), "WRONG_TYPE /tasks/0"),
            (
                format!(r#"{{"tasks":[{{"assignee_emails":{}}}]}}"#, nest(levels)),
                "WRONG_TYPE /tasks/0/assignee_emails/0",
            ),
            (objects(levels), "UNKNOWN_MEMBER /a"),
            (format!(r#"{{"tasks":[{}]}}"#, objects(levels)), "UNKNOWN_MEMBER /tasks/0/a"),
        ]);
    }
    assert_violation(table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_type_is_rejected_with_the_path_of_its_first_occurrence() {
    let table = [
        // Not an object.
        ("null", "WRONG_TYPE "),
        ("true", "WRONG_TYPE "),
        ("1", "WRONG_TYPE "),
        (r#""{}""#, "WRONG_TYPE "),
        (r#"[{"description":"a"}]"#, "WRONG_TYPE "),
        // serde would read a struct from an array of its members.
        (r#"[[{"description":"a"}]]"#, "WRONG_TYPE "),
        (r#"{"tasks":[["a",[]]]}"#, "WRONG_TYPE /tasks/0"),
        (r#"{"tasks":{"0":{"description":"a"}}}"#, "WRONG_TYPE /tasks"),
        (r#"{"tasks":{"description":"a"}}"#, "WRONG_TYPE /tasks"),
        (r#"{"tasks":"a"}"#, "WRONG_TYPE /tasks"),
        (r#"{"tasks":false}"#, "WRONG_TYPE /tasks"),
        (r#"{"tasks":[{"description":"a"},null]}"#, "WRONG_TYPE /tasks/1"),
        (r#"{"tasks":["a"]}"#, "WRONG_TYPE /tasks/0"),
        // A number is not accepted as a string, nor a string as an array.
        (r#"{"tasks":[{"description":1}]}"#, "WRONG_TYPE /tasks/0/description"),
        (r#"{"tasks":[{"description":18446744073709551616}]}"#, "WRONG_TYPE /tasks/0/description"),
        (r#"{"tasks":-1e308}"#, "WRONG_TYPE /tasks"),
        (r#"{"tasks":[{"description":true}]}"#, "WRONG_TYPE /tasks/0/description"),
        (r#"{"tasks":[{"description":["a"]}]}"#, "WRONG_TYPE /tasks/0/description"),
        (r#"{"tasks":[{"description":{"text":"a"}}]}"#, "WRONG_TYPE /tasks/0/description"),
        (
            r#"{"tasks":[{"description":"a","assignee_emails":"user1@example.com"}]}"#,
            "WRONG_TYPE /tasks/0/assignee_emails",
        ),
        (
            r#"{"tasks":[{"description":"a","assignee_emails":{"0":"user1@example.com"}}]}"#,
            "WRONG_TYPE /tasks/0/assignee_emails",
        ),
        (
            r#"{"tasks":[{"description":"a","assignee_emails":["user1@example.com",null]}]}"#,
            "WRONG_TYPE /tasks/0/assignee_emails/1",
        ),
        (
            r#"{"tasks":[{"description":"a","assignee_emails":[17]}]}"#,
            "WRONG_TYPE /tasks/0/assignee_emails/0",
        ),
        (
            r#"{"tasks":[{"description":"a","assignee_emails":[["user1@example.com"]]}]}"#,
            "WRONG_TYPE /tasks/0/assignee_emails/0",
        ),
    ];
    assert_violation(table).await;
}

/// As a floating-point number, some of them would be another one.
#[tokio::test(flavor = "multi_thread")]
async fn integers_are_taken_as_they_are_written() {
    let app = App::start().await;
    let key = app.key_for_all().await;
    let case = format!("/api/v2/cases/{}", app.case_id);
    let batch = format!("{case}/tasks/batch");
    for (number, of_team, of_task) in [
        ("1.0000000000000000001", "WRONG_TYPE", "WRONG_TYPE"),
        ("0.99999999999999999", "WRONG_TYPE", "WRONG_TYPE"),
        ("1e-400", "WRONG_TYPE", "WRONG_TYPE"),
        ("1e400", "WRONG_TYPE", "WRONG_TYPE"),
        ("9007199254740992.0", "WRONG_TYPE", "WRONG_TYPE"),
        ("9007199254740992", "OUT_OF_RANGE", "OUT_OF_RANGE"),
        ("9223372036854775807", "OUT_OF_RANGE", "OUT_OF_RANGE"),
        ("0e0", "NOT_POSITIVE", "NOT_POSITIVE"),
    ] {
        for (method, path, body, violation) in [
            (Method::PUT, &case, r#"{"team_id":N}"#, format!("{of_team} /team_id")),
            (Method::PUT, &batch, r#"{"tasks":[{"id":N}]}"#, format!("{of_task} /tasks/0/id")),
            (Method::DELETE, &batch, r#"{"task_ids":[N]}"#, format!("{of_task} /task_ids/0")),
        ] {
            let request = app.request(method, path).bearer_auth(key.expose());
            let request = request.header("content-type", "application/json");
            let reply = Reply::of(request.body(body.replace('N', number))).await;
            assert_eq!(violations(&reply), [violation], "{number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_members_and_duplicate_members_are_rejected_with_their_paths() {
    let table = [
        (r#"{"task":[]}"#, "UNKNOWN_MEMBER /task"),
        (r#"{"tasks":[{"description":"a"}],"case_id":1}"#, "UNKNOWN_MEMBER /case_id"),
        (r#"{"Tasks":[]}"#, "UNKNOWN_MEMBER /Tasks"),
        (r#"{"":0}"#, "UNKNOWN_MEMBER /"),
        (r#"{"tasks":[{"descripton":"a"}]}"#, "UNKNOWN_MEMBER /tasks/0/descripton"),
        (
            r#"{"tasks":[{"description":"a"},{"description":"b","completed":true}]}"#,
            "UNKNOWN_MEMBER /tasks/1/completed",
        ),
        (r#"{"tasks":[{"description":"a","id":7}]}"#, "UNKNOWN_MEMBER /tasks/0/id"),
        (r#"{"tasks":[{"assigneeEmails":[]}]}"#, "UNKNOWN_MEMBER /tasks/0/assigneeEmails"),
        // A JSON pointer escapes `/` and `~` (RFC 6901, 3).
        (r#"{"tasks":[{"a/b~c":1}]}"#, "UNKNOWN_MEMBER /tasks/0/a~1b~0c"),
        (r#"{"__proto__":{}}"#, "UNKNOWN_MEMBER /__proto__"),
        (r#"{"tasks":[],"tasks":[{"description":"a"}]}"#, "DUPLICATE_MEMBER /tasks"),
        (r#"{"tasks":[],"t\u0061sks":[]}"#, "DUPLICATE_MEMBER /tasks"),
        (
            r#"{"tasks":[{"description":"a","description":"a"}]}"#,
            "DUPLICATE_MEMBER /tasks/0/description",
        ),
        (
            r#"{"tasks":[{"description":"a","assignee_emails":[],"assignee_emails":null}]}"#,
            "DUPLICATE_MEMBER /tasks/0/assignee_emails",
        ),
    ];
    assert_violation(table).await;
}

/// What a caller sent may be private, and callers keep problem documents in logs.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_never_repeats_a_description_or_an_email() {
    let app = App::start().await;
    for body in [
        r#"{"tasks":["the-secret"]}"#,
        r#"{"tasks":"the-secret"}"#,
        r#"{"tasks":[{"description":"a","assignee_emails":"the-secret@example.com"}]}"#,
        r#"{"tasks":[{"description":"a","assignee_emails":["the-secret@example.com"]}]}"#,
        r#"{"tasks":[{"description":"a","assignee_emails":["the-secret"]}]}"#,
        r#"{"tasks":[{"description":"the-secret\u0000"}]}"#,
        r#"{"tasks":[{"description":"the-secret"#,
        r#"{"tasks":[{"description":"the-secret","assignee_emails":[1]}]}"#,
    ] {
        let reply = app.create(body).await;
        violations(&reply);
        assert!(!reply.body.to_string().contains("the-secret"), "{}", reply.body);
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nul_character_is_rejected_with_its_path() {
    assert_violation([
        (r#"{"tasks":[{"description":"\u0000"}]}"#, "CONTAINS_NUL /tasks/0/description"),
        (
            r#"{"tasks":[{"description":"a"},{"description":"a\u0000b"}]}"#,
            "CONTAINS_NUL /tasks/1/description",
        ),
        (
            r#"{"tasks":[{"description":"a","assignee_emails":["user1@example.com\u0000"]}]}"#,
            "INVALID_EMAIL /tasks/0/assignee_emails/0",
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_very_many_tiny_items_gets_a_bounded_response() {
    let app = App::start().await;

    let tasks = format!(r#"{{"tasks":[{}{{}}]}}"#, "{},".repeat(300_000));
    assert_eq!(violations(&app.create(tasks).await), ["TOO_MANY /tasks"]);

    let emails = format!(
        r#"{{"tasks":[{{"description":"a","assignee_emails":[{}""]}}]}}"#,
        r#""","#.repeat(300_000)
    );
    let expected = ["TOO_MANY /tasks/0/assignee_emails"];
    assert_eq!(violations(&app.create(emails).await), expected);

    // Fewer items are for the rules of the fields.
    let tasks = format!(r#"{{"tasks":[{}{{}}]}}"#, "{},".repeat(9_000));
    let mut expected = vec!["TOO_MANY /tasks".to_owned()];
    expected.extend((0..25).map(|n| format!("REQUIRED /tasks/{n}/description")));
    assert_eq!(violations(&app.create(tasks).await), expected);

    // The response quotes a long member name in part.
    let name = json!({"é".repeat(400_000): 1});
    let reply = app.create(name.to_string()).await;
    assert!(violations(&reply)[0].starts_with("UNKNOWN_MEMBER /éé"));
    assert!(reply.body.to_string().len() < 2000, "{}", reply.body.to_string().len());
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_body_is_rejected() {
    let app = App::start().await;
    let good = r#"{"tasks":[{"description":"a"}]}"#;
    let head = request_head(&app);
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let size = good.len();
    for request in [
        format!("{head}content-length: {}\r\n\r\n{good}", size + 1),
        format!("{head}content-length: {}\r\n\r\n{}", size, &good[..size - 1]),
        format!("{head}content-length: {size}\r\n\r\n"),
        // The last chunk is missing, though the JSON is complete.
        format!("{chunked}{size:x}\r\n{good}\r\n"),
        format!("{chunked}{size:x}\r\n{good}"),
        format!("{chunked}{:x}\r\n{good}", size + 1),
        format!("{chunked}{size:x}\r\n{good}\r\n0\r\n"),
        chunked.clone(),
        // The size of the last chunk is not a number.
        format!("{chunked}{size:x}\r\n{good}\r\nno size\r\n"),
    ] {
        let reply = exchange(app.http_addr, request.as_bytes(), AfterSending::Close).await;
        assert_eq!(violations(&reply), ["BODY_INCOMPLETE -"], "{request}");
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_after_the_body_are_not_part_of_it() {
    let app = App::start().await;
    let good = r#"{"tasks":[{"description":"a"}]}"#;
    let size = good.len();
    let request =
        format!("{}content-length: {size}\r\n\r\n{good}{{\"more\":1}}", request_head(&app));

    let reply = exchange(app.http_addr, request.as_bytes(), AfterSending::Wait).await;

    assert_eq!(reply.status, 201);
    assert_eq!(app.row_counts(), (1, 0));
}
