//! Messages and bodies that can't be read, for every call: what is wrong is said, and nothing is
//! changed.

use reqwest::Method;
use tonic::Code;

use crate::{
    malformed_input::grpc_messages::key_headers,
    support::{
        API_CALLS, App, Kind, Reply, code_and_reasons,
        raw_grpc::{frame, framed, send},
    },
};

/// An app whose key may make every call.
async fn app() -> App {
    let mut app = App::start().await;
    app.key = app.key_for_all().await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_decoded_is_an_invalid_argument_in_every_call() {
    const MIB: usize = 1024 * 1024;
    const MALFORMED: &str = "INVALID_ARGUMENT MESSAGE_MALFORMED";
    const TOO_LARGE: &str = "OUT_OF_RANGE MESSAGE_TOO_LARGE";
    let app = app().await;
    app.use_idempotency_key("the-key");
    let mut channel = app.channel().await;
    for call in API_CALLS {
        let target = app.target();
        let Some((path, good)) = call.grpc_message(&target) else { continue };
        let before = app.rows();
        for (body, expected) in [
            (Vec::new(), MALFORMED),
            (vec![0, 0, 0], MALFORMED),
            (framed(0, good.len() + 1, &good), MALFORMED),
            (framed(1, good.len(), &good), MALFORMED),
            (framed(2, good.len(), &good), MALFORMED),
            (frame(&good[..good.len() - 1]), MALFORMED),
            // An unknown wire type, a varint that is too long, field number 0, the end of a group
            // that has no start, and nested groups.
            (frame(b"\x0f"), MALFORMED),
            (frame(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), MALFORMED),
            (frame(b"\x00\x01"), MALFORMED),
            (frame(b"\x24"), MALFORMED),
            (frame(&[0x23; 100_000]), MALFORMED),
            (framed(0, 3 * MIB, b""), TOO_LARGE),
        ] {
            let start = body[..body.len().min(20)].to_vec();
            let status = send(&mut channel, &path, key_headers(&app), body).await;
            assert_eq!(code_and_reasons(&status), expected, "{path} {start:?}: {status:?}");
        }
        // An empty message is well-formed, and lacks what the call is about, if it is about anything.
        let empty = send(&mut channel, &path, key_headers(&app), frame(b"")).await;
        if matches!(call.kind, Kind::ListCases | Kind::ListFedCases | Kind::ListUsers) {
            assert_eq!(empty.code(), Code::Ok, "{path}: {empty:?}");
        } else {
            assert_eq!(empty.code(), Code::InvalidArgument, "{path}: {empty:?}");
            assert_ne!(code_and_reasons(&empty), MALFORMED, "{path}");
        }
        assert_eq!(app.rows(), before, "{path}");
        let status = send(&mut channel, &path, key_headers(&app), frame(&good)).await;
        assert_eq!(status.code(), Code::Ok, "{path}: {status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_the_documented_json_is_rejected_in_every_call() {
    let app = app().await;
    for call in API_CALLS {
        let target = app.target();
        let (Some((method, path)), Some(_)) = (call.rest_path(&target), call.rest_body(&target))
        else {
            continue;
        };
        let before = app.rows();
        let send = async |content_type: &str, body: &[u8]| {
            let request = app.request(method.clone(), &path).bearer_auth(app.key.expose());
            let request = request.header("content-type", content_type).body(body.to_vec());
            let reply = Reply::of(request).await;
            reply.problem();
            (reply.status.as_u16(), reply.violations().join(" "))
        };
        let deep = "[".repeat(100_000);
        let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(1024 * 1024));
        let unknown = format!(r#"{{"{}":1}}"#, "x".repeat(100_000));
        for (body, status, violation) in [
            (&b""[..], 400, "INVALID_JSON -"),
            (b"nonsense", 400, "INVALID_JSON -"),
            (b"{", 400, "INVALID_JSON -"),
            (b"{} x", 400, "INVALID_JSON -"),
            (b"\xef\xbb\xbf{}", 400, "INVALID_JSON -"),
            (br#"{"\ud800":1}"#, 400, "INVALID_JSON -"),
            (b"null", 400, "WRONG_TYPE "),
            (b"1e999", 400, "INVALID_JSON -"),
            (b"[]", 400, "WRONG_TYPE "),
            (deep.as_bytes(), 400, "WRONG_TYPE "),
            (br#"{"x":1}"#, 400, "UNKNOWN_MEMBER /x"),
            (large.as_bytes(), 413, "BODY_TOO_LARGE -"),
        ] {
            let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let result = send("application/json", body).await;
            assert_eq!(result, (status, violation.to_owned()), "{} {start}", call.name);
        }
        // A long name is quoted in part.
        let (status, violation) = send("application/json", unknown.as_bytes()).await;
        assert_eq!(status, 400, "{}", call.name);
        assert!(violation.starts_with("UNKNOWN_MEMBER /xx") && violation.len() < 1000);
        let wrong_type = send("text/plain", b"{}").await;
        assert_eq!(wrong_type, (415, "UNSUPPORTED_MEDIA_TYPE -".to_owned()), "{}", call.name);
        assert_eq!(app.rows(), before, "{}", call.name);
    }
}

/// A body on GET and on DELETE of one task has no meaning (RFC 9110, 9.3.1 and 9.3.5).
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_has_no_meaning_is_drained_and_ignored() {
    let app = app().await;
    app.use_idempotency_key("the-key");
    for call in API_CALLS {
        let target = app.target();
        let (Some((method, path)), None) = (call.rest_path(&target), call.rest_body(&target))
        else {
            continue;
        };
        let mut methods = vec![method.clone()];
        if method == Method::GET {
            methods.insert(0, Method::HEAD);
        }
        for method in methods {
            let request = app.request(method.clone(), &path).bearer_auth(app.key.expose());
            let response = request.body("no JSON".repeat(100_000)).send().await.unwrap();
            let status = if call.kind == Kind::DeleteCase { 204 } else { 200 };
            assert_eq!(response.status(), status, "{method} {}", call.name);
            let body = response.bytes().await.unwrap();
            let is_empty = method == Method::HEAD || status == 204;
            assert_eq!(body.is_empty(), is_empty, "{method} {}", call.name);
        }
    }
}
