//! `GetIdempotencyRecord`: returns what a request with an idempotency key created.

use std::slice;

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

    /// Which of them the record needs is known only once it is found.
    const ONE_OF: &'static [Scope] = &[Scope::TasksWrite, Scope::CasesWrite];

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
        // Not an unknown key: the caller could take that for a request that created nothing.
        match record.operation {
            Some(operation) => caller.require(operation.scopes())?,
            // A newer release has written it, and which scope it needs is not known: each one.
            None => {
                Self::ONE_OF.iter().try_for_each(|scope| caller.require(slice::from_ref(scope)))?
            }
        }
        let record = convert::from_record(&key, record);
        Ok(GetIdempotencyRecordResponse { record: Some(record) }.into())
    }
}
