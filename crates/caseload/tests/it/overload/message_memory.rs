//! Messages that take far more memory than their bytes, and the memory for messages.

use super::raw_calls::RawCalls;
use crate::{
    malformed_input::grpc_messages::{METHOD, key_headers},
    support::{
        App, CreateCall, code_and_reasons,
        polling::eventually,
        raw_grpc::{frame, framed, send},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_too_many_items_is_rejected_before_it_is_decoded() {
    let app = App::start().await;
    let mut channel = app.channel().await;
    let mut result = async |message: &[u8]| {
        let status = send(&mut channel, METHOD, key_headers(&app), frame(message)).await;
        let violations = tonic_types::StatusExt::get_details_bad_request(&status);
        let violations = violations.unwrap().field_violations;
        (code_and_reasons(&status), violations[0].field.clone(), violations.len())
    };
    let tasks = b"\x12\x00".repeat(1_000_000);
    let expected = ("INVALID_ARGUMENT TOO_MANY".to_owned(), "tasks".to_owned(), 1);
    assert_eq!(result(&tasks).await, expected);

    // 30 KiB of empty emails in the second task.
    let emails = [&b"\x12\x00\x12\xe0\xd4\x03"[..], &b"\x12\x00".repeat(30_000)].concat();
    let field = "tasks[1].assignee_emails".to_owned();
    assert_eq!(result(&emails).await, ("INVALID_ARGUMENT TOO_MANY".to_owned(), field, 1));

    // Less than that is for the rules of the fields.
    let (reasons, field, count) = result(&b"\x12\x00".repeat(60)).await;
    assert!(reasons.starts_with("INVALID_ARGUMENT NOT_POSITIVE TOO_MANY REQUIRED"), "{reasons}");
    assert_eq!((field.as_str(), count), ("case_id", 27));

    assert_eq!(app.row_counts(), (0, 0));
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_message_in_a_call_is_not_decoded() {
    let app = App::start().await;
    let mut channel = app.channel().await;
    let body = [frame(b"\x08\x01"), frame(&b"\x12\x00".repeat(1000))].concat();
    let status = send(&mut channel, METHOD, key_headers(&app), body).await;
    assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT MESSAGE_MALFORMED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_unfinished_messages_leaves_memory_for_others() {
    let app = App::builder().server_args(&["--message-memory", "16"]).start().await;
    let (_, case_id, key) = app.other_tenant().await;
    // Twice as much as one tenant may have, each just below what the client may send at once.
    let body = framed(0, 2 * 1024 * 1024, &[b' '; 1000 * 1024]);
    let mut greedy = Vec::new();
    for _ in 0..16 {
        let mut calls = RawCalls::open(app.grpc_addr).await;
        calls.begin(1, Some(&key), &body).await;
        greedy.push(calls);
    }
    eventually("rejected messages", async || {
        let running: usize = greedy.iter_mut().map(RawCalls::running).sum();
        (running <= 8).then_some(())
    })
    .await;
    // All that is left is for others.
    let large = format!(r#"{{"tasks":[{{"description":"x"}}]}}{}"#, " ".repeat(900_000));
    assert_eq!(app.create(large).await.status, 201);
    app.assert_serves().await;

    drop(greedy);
    eventually("free memory", async || {
        let call = CreateCall::new(&app).case(case_id).key(&key);
        (call.result_over_grpc(&app).await == "OK").then_some(())
    })
    .await;
}
