//! The names of headers. Over gRPC they are metadata.

use http::HeaderName;

/// The id of a request in logs, in requests and responses: 1 to 128 visible ASCII characters.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The trace that a request is part of (W3C Trace Context).
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What tracing systems add to [`TRACEPARENT`] (W3C Trace Context).
pub static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The API key, as the documented REST API also takes it: without `Bearer`.
pub static USER_TOKEN: HeaderName = HeaderName::from_static("x-user-token");

/// The addresses of the client and of the proxies between: each proxy adds that of its peer at the
/// end. The gateway sends the address of its client.
pub static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// `true` in a call of the gateway whose client's address, in [`FORWARDED_FOR`], somebody who is not trusted may
/// have chosen.
pub static ADDRESS_UNCERTAIN: HeaderName = HeaderName::from_static("caseload-address-uncertain");

/// The scheme with which the client sent the request, as a proxy that ends TLS says.
pub static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The host that the client sent the request to, as a proxy says. The gateway sends the hosts that its request names, in
/// a list.
pub static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The key that makes a REST request safe to repeat (draft-ietf-httpapi-idempotency-key-header).
/// Over gRPC it is the field `request_id` of the message.
pub static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// `true` in a response that repeats the result of an earlier request with the same key.
pub static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The time that a REST caller grants, in seconds with at most three decimals.
pub static REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("request-timeout");

/// The rate limits that apply to the caller (draft-ietf-httpapi-ratelimit-headers).
pub static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is left of the caller's rate limits (draft-ietf-httpapi-ratelimit-headers).
pub static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The most bytes of metadata that the caller takes with a status, as a decimal number. Without it
/// a status stays below [`super::limits::STATUS_BYTES`].
pub static MAX_STATUS_BYTES: HeaderName = HeaderName::from_static("caseload-max-status-bytes");

/// When the gateway sent a call, see [`super::SentAt`]: `grpc-timeout` does not tell how long the call
/// was on its way.
pub static SENT_AT: HeaderName = HeaderName::from_static("caseload-sent-at");

/// The time that a gRPC caller grants (gRPC over HTTP/2).
pub static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The code of a gRPC status (gRPC over HTTP/2).
pub static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The message of a gRPC status (gRPC over HTTP/2).
pub static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The details of a gRPC status: a `google.rpc.Status` in base64 (gRPC over HTTP/2).
pub static GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// How many milliseconds a gRPC client waits before it retries (gRPC proposal A6).
pub static GRPC_RETRY_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Marks a call of gRPC-Web.
pub static GRPC_WEB: HeaderName = HeaderName::from_static("x-grpc-web");

/// The library with which a browser makes a call, as `user-agent` can't say it (gRPC-Web).
pub static GRPC_WEB_USER_AGENT: HeaderName = HeaderName::from_static("x-user-agent");

/// The version of the Connect protocol that a caller speaks.
pub static CONNECT_PROTOCOL_VERSION: HeaderName =
    HeaderName::from_static("connect-protocol-version");

/// The time that a caller grants, in milliseconds (Connect protocol).
pub static CONNECT_TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");

/// The content types that a POST request may have (Linked Data Platform 1.0, 7.1).
pub static ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// Present where Envoy refused a call because of a rate limit.
pub static ENVOY_RATELIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");

/// Present where Envoy dropped a call because it was overloaded.
pub static ENVOY_OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");
