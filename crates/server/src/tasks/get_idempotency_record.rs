//! `GetIdempotencyRecord`: returns what a request with an idempotency key created.

use domain::{Error, FieldPath, IdempotencyKey, Principal, Scope, Violation};
use proto::tasks::v1::{GetIdempotencyRecordRequest, GetIdempotencyRecordResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `GetIdempotencyRecord`.
pub(super) struct GetIdempotencyRecord<'a> {
    pub(super) database: &'a Database,
}

impl Call for GetIdempotencyRecord<'_> {
    type Request = GetIdempotencyRecordRequest;
    type Response = GetIdempotencyRecordResponse;

    const SCOPE: Scope = Scope::TasksWrite;

    async fn run(
        self,
        caller: Principal,
        request: GetIdempotencyRecordRequest,
    ) -> Result<Reply<GetIdempotencyRecordResponse>, Error> {
        let key = IdempotencyKey::parse(request.request_id);
        let key = key.map_err(|rule| {
            Error::Invalid(Violation { path: FieldPath::new("request_id"), rule }.into())
        })?;
        let record = self.database.get_idempotency_record(caller.tenant, key.clone()).await?;
        let record = convert::from_record(&key, record);
        Ok(GetIdempotencyRecordResponse { record: Some(record) }.into())
    }
}
