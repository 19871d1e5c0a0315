//! Bodies that are small on the wire and large in memory.

use bytes::Bytes;

use super::message::grpc_frame;

/// The most bytes of a gRPC message, a little below 2 MiB.
const GRPC_BYTES: usize = 2 * 1024 * 1024 - 64;

/// The most bytes of a REST body, a little below 1 MiB.
const REST_BYTES: usize = 1024 * 1024 - 64;

/// The field `tasks` or, in a task, `assignee_emails`, without content.
const EMPTY_ITEM: [u8; 2] = [0x12, 0];

/// Returns gRPC messages: of empty tasks, of one task with empty emails, and of tasks that have 50
/// empty emails each.
pub(crate) fn grpc() -> Vec<Bytes> {
    let tasks = EMPTY_ITEM.repeat(GRPC_BYTES / 2);
    let emails = EMPTY_ITEM.repeat(GRPC_BYTES / 2 - 8);
    let fifty = [&[0x12, 100][..], &EMPTY_ITEM.repeat(50)].concat();
    let nested = fifty.repeat(GRPC_BYTES / fifty.len());
    [tasks, [&[0x12][..], &varint(emails.len()), &emails].concat(), nested]
        .map(|message| grpc_frame(&message))
        .to_vec()
}

/// Returns the equivalents in JSON.
pub(crate) fn rest() -> Vec<Bytes> {
    let items = |item: &str| item.repeat(REST_BYTES / item.len() - 64);
    let nested = format!(r#"{{"assignee_emails":[{}""]}},"#, r#""","#.repeat(49));
    [
        format!(r#"{{"tasks":[{}{{}}]}}"#, items("{},")),
        format!(r#"{{"tasks":[{{"assignee_emails":[{}""]}}]}}"#, items(r#""","#)),
        format!(r#"{{"tasks":[{}{{}}]}}"#, items(&nested)),
        format!(r#"{{"tasks":{}"#, items("[")),
    ]
    .map(Bytes::from)
    .to_vec()
}

/// Encodes a length as protobuf does.
fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
