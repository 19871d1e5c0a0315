//! The directory's service.

use proto::directory::v1::directory_service_client::DirectoryServiceClient;
use tonic::transport::Channel;

/// The largest response that is received: 500 cases with their descriptions.
const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;

/// Returns a client of the directory's service.
pub(super) fn directory_service(channel: Channel) -> DirectoryServiceClient<Channel> {
    DirectoryServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE_BYTES)
}
