//! The details of gRPC statuses, and whether the server wrote them.

use http::HeaderMap;
use proto::wire::{ERROR_DOMAIN, header::GRPC_STATUS_DETAILS};
use tonic::{Status, metadata::MetadataMap};
use tonic_types::StatusExt as _;

/// Returns the status in these headers or trailers; `None` if there is none, or if its details are
/// unreadable.
pub(super) fn read_status(headers: &HeaderMap) -> Option<Status> {
    if are_unreadable(headers) { None } else { Status::from_header_map(headers) }
}

/// Returns whether headers or trailers have details of a status that are not base64. tonic panics
/// over them.
pub(super) fn are_unreadable(headers: &HeaderMap) -> bool {
    let Some(details) = headers.get(&GRPC_STATUS_DETAILS) else { return false };
    let details = HeaderMap::from_iter([(GRPC_STATUS_DETAILS.clone(), details.clone())]);
    MetadataMap::from_headers(details)
        .get_bin(GRPC_STATUS_DETAILS.as_str())
        .is_some_and(|details| details.to_bytes().is_err())
}

/// Returns whether the server wrote a status: each of the server's has a reason of its domain.
pub(super) fn is_of_origin(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.domain == ERROR_DOMAIN)
}
