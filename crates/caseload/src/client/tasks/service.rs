//! The tasks' service.

use proto::tasks::v1::task_service_client::TaskServiceClient;
use tonic::transport::Channel;

/// The largest response that is received: a page of 50 tasks with the longest descriptions and the
/// names of 50 assignees each takes some 5 MiB.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// The most tasks of one call that names them.
pub(super) const BATCH: usize = 25;

/// Returns a client of the tasks' service.
pub(crate) fn task_service(channel: Channel) -> TaskServiceClient<Channel> {
    TaskServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE_BYTES)
}
