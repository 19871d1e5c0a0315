//! What holds for every call of the API, over gRPC and REST.

mod bodies;
mod check_order;
mod deadlines;
mod outages;
mod overload;
mod record_scopes;
mod suites;
