//! Reads a request's body: its size, its type, its JSON, its shape.

use std::time::Duration;

use axum::body::Body;
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT},
};
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};
use tokio::time::timeout;
use tonic::Code;

use crate::{
    budget::{Budget, Share},
    dto::Object,
    problem::{Item, Problem},
};

/// The largest body that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// The most characters of a message or a pointer: they may quote the body.
const MAX_MESSAGE_CHARS: usize = 200;

/// The most of a refused body that is read and thrown away, in bytes, and for how long.
const MAX_DISCARDED: usize = 16 * 1024 * 1024;
const DISCARD_PATIENCE: Duration = Duration::from_secs(2);

/// Reads a body that is a JSON object. With it comes what it took of the memory for bodies, to be
/// kept for as long as it is worked on.
///
/// # Errors
/// 415 where it is not said to be JSON, 413 past [`MAX_BYTES`], 503 where there is no memory left
/// for it, 400 where it is no JSON or has not the documented shape: then with the first place where
/// it departs from it.
pub(crate) async fn read<'a, T: DeserializeOwned>(
    headers: &HeaderMap,
    mut body: Body,
    memory: &'a Budget,
) -> Result<(T, Share<'a>), Problem> {
    match collect(headers, &mut body, memory).await {
        Ok((bytes, share)) => match serde_json::from_slice::<Object<T>>(&bytes) {
            Ok(Object(value)) => Ok((value, share)),
            Err(error) => Err(fault::<T>(&bytes, &error)),
        },
        Err(problem) => {
            discard(headers, body).await;
            Err(problem)
        }
    }
}

async fn collect<'a>(
    headers: &HeaderMap,
    body: &mut Body,
    memory: &'a Budget,
) -> Result<(Vec<u8>, Share<'a>), Problem> {
    if !is_json(headers) {
        return Err(unsupported_media_type());
    }
    if content_length(headers).is_some_and(|length| length > MAX_BYTES) {
        return Err(too_large());
    }
    let mut share = memory.share();
    // Copied together as they come: kept as they are, a body of tiny frames would take many times
    // what it has.
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| broken_off())?.into_data() else { continue };
        if data.len() > MAX_BYTES - bytes.len() {
            return Err(too_large());
        }
        share.take(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, share))
}

/// Reads what is left of a body that was refused, within limits. A client that still writes when
/// its connection is closed may lose the answer. One that asked before it sent isn't answered
/// that it may.
pub(crate) async fn discard(headers: &HeaderMap, body: Body) {
    if headers.contains_key(EXPECT) {
        return;
    }
    let rest = async {
        let mut body = Limited::new(body, MAX_DISCARDED);
        while let Some(Ok(_)) = body.frame().await {}
    };
    let _over = timeout(DISCARD_PATIENCE, rest).await;
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn unsupported_media_type() -> Problem {
    Problem::new(
        Code::InvalidArgument,
        "UNSUPPORTED_MEDIA_TYPE",
        "the body must be sent as content-type: application/json",
    )
    .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn too_large() -> Problem {
    Problem::new(Code::OutOfRange, "BODY_TOO_LARGE", "the body must not exceed 1 MiB")
        .with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn broken_off() -> Problem {
    Problem::new(Code::InvalidArgument, "BODY_INCOMPLETE", "the body ended before its end")
}

/// What is wrong with a body that could not be read, and where. It is read a second time for
/// that: finding the place costs time that a good body is spared.
pub(crate) fn fault<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Problem {
    if error.classify() != Category::Data {
        let detail = format!("the body is not JSON: {}", shorten(&error.to_string()));
        return Problem::new(Code::InvalidArgument, "INVALID_JSON", detail);
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, Object<T>>(&mut json) else {
        // Not reached: the first reading failed.
        return Problem::new(Code::InvalidArgument, "INVALID_JSON", "the body is not JSON");
    };
    let message = error.inner().to_string();
    let mut pointer = pointer(error.path());
    let reason = if message.starts_with("unknown field") {
        "UNKNOWN_MEMBER"
    } else if message.starts_with("duplicate field") {
        // The path ends at the object: serde finds the duplicate before it enters it.
        let name = message.split('`').nth(1).unwrap_or_default();
        push(&mut pointer, name);
        "DUPLICATE_MEMBER"
    } else {
        "WRONG_TYPE"
    };
    let item = Item {
        message: shorten(&wording(&message)),
        details: reason.to_owned(),
        pointer: Some(shorten(&pointer)),
    };
    Problem::with_items(Code::InvalidArgument, "1 field violation; nothing was changed", vec![item])
}

/// serde's message in the words of JSON, without the value that it quotes: that may be private.
/// What it quotes of an unknown member is its name.
fn wording(message: &str) -> String {
    match message.strip_prefix("invalid ").and_then(|rest| rest.rsplit_once("expected ")) {
        Some((_, expected)) => format!("expected {}", expected.replace("a sequence", "an array")),
        None => message.replacen(" field ", " member ", 1),
    }
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// The path as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            Segment::Map { key } | Segment::Enum { variant: key } => push(&mut pointer, key),
            Segment::Unknown => {}
        }
    }
    pointer
}

fn push(pointer: &mut String, step: &str) {
    pointer.push('/');
    pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dto::CreateTasks;

    fn fault_of(body: &[u8]) -> (String, Option<String>) {
        let error = serde_json::from_slice::<Object<CreateTasks>>(body).unwrap_err();
        let item = fault::<CreateTasks>(body, &error).into_items().remove(0);
        (item.details, item.pointer)
    }

    #[test]
    fn names_the_place_where_the_shape_departs() {
        let table = [
            (r"[[]]", "WRONG_TYPE", ""),
            (r#""tasks""#, "WRONG_TYPE", ""),
            (r#"{"tasks":{"0":1}}"#, "WRONG_TYPE", "/tasks"),
            (r#"{"tasks":[["a",[]]]}"#, "WRONG_TYPE", "/tasks/0"),
            (r#"{"tasks":[{},null]}"#, "WRONG_TYPE", "/tasks/1"),
            (r#"{"tasks":[{"description":5}]}"#, "WRONG_TYPE", "/tasks/0/description"),
            (
                r#"{"tasks":[{"assignee_emails":["a@b","c@d",1]}]}"#,
                "WRONG_TYPE",
                "/tasks/0/assignee_emails/2",
            ),
            (r#"{"tasks":[{"assignee_emails":"a@b"}]}"#, "WRONG_TYPE", "/tasks/0/assignee_emails"),
            (r#"{"task":[]}"#, "UNKNOWN_MEMBER", "/task"),
            (r#"{"tasks":[{"a~/b":1}]}"#, "UNKNOWN_MEMBER", "/tasks/0/a~0~1b"),
            (r#"{"tasks":[],"tasks":[]}"#, "DUPLICATE_MEMBER", "/tasks"),
            (
                r#"{"tasks":[{"description":"a","description":"b"}]}"#,
                "DUPLICATE_MEMBER",
                "/tasks/0/description",
            ),
        ];
        for (body, reason, pointer) in table {
            let expected = (reason.to_owned(), Some(pointer.to_owned()));
            assert_eq!(fault_of(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn tells_what_is_no_json() {
        let deep = "[".repeat(200);
        let deep_member = format!(r#"{{"tasks":[{{"x":{deep}"#);
        for body in [
            &b""[..],
            b"{",
            b"{} x",
            b"\xef\xbb\xbf{}",
            br#"{"tasks":[{"description":"\ud800"}]}"#,
            br#"{"tasks":[{"description":"\ud800x"}]}"#,
            b"{\"tasks\":[{\"description\":\"\xff\"}]}",
            b"{\"tasks\":[{\"description\":\"a\nb\"}]}",
            br#"{"tasks":[{"description":"cut"#,
            b"{'tasks':[]}",
        ] {
            let (reason, pointer) = fault_of(body);
            assert_eq!((reason.as_str(), pointer), ("INVALID_JSON", None), "{body:?}");
        }
        assert_eq!(fault_of(deep.as_bytes()).0, "WRONG_TYPE");
        assert_eq!(fault_of(deep_member.as_bytes()).0, "UNKNOWN_MEMBER");
    }

    #[test]
    fn a_long_quotation_is_cut() {
        let body = format!(r#"{{"{}":1}}"#, "é".repeat(10_000));
        let error = serde_json::from_slice::<Object<CreateTasks>>(body.as_bytes()).unwrap_err();
        let item = fault::<CreateTasks>(body.as_bytes(), &error).into_items().remove(0);
        assert!(item.message.chars().count() <= MAX_MESSAGE_CHARS + 1);
        assert!(item.pointer.unwrap().chars().count() <= MAX_MESSAGE_CHARS + 1);
    }

    #[test]
    fn null_and_nothing_are_the_same() {
        for body in ["{}", r#"{"tasks":null}"#, r#"{"tasks":[]}"#] {
            let Object(read) = serde_json::from_str::<Object<CreateTasks>>(body).unwrap();
            assert!(read.tasks.is_empty());
        }
        let body = r#"{"tasks":[{"description":null,"assignee_emails":null}]}"#;
        let Object(read) = serde_json::from_str::<Object<CreateTasks>>(body).unwrap();
        assert_eq!(read.tasks[0].0.description, "");
        assert!(read.tasks[0].0.assignee_emails.is_empty());
    }
}
