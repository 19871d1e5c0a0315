//! `BatchUpsertCases`: creates or changes up to 500 cases, all or none.

use domain::{CaseUpserts, Error, Principal, Scope};
use proto::{
    directory::v1::{BatchUpsertCasesRequest, BatchUpsertCasesResponse, UpsertedCase},
    wire::Reason,
};
use store::Database;

use super::convert;
use crate::{
    audit::Origin,
    call::{Call, Reply},
};

/// One call of `BatchUpsertCases`.
pub(super) struct BatchUpsertCases<'a> {
    pub(super) database: &'a Database,
    pub(super) origin: Origin,
}

impl Call for BatchUpsertCases<'_> {
    type Request = BatchUpsertCasesRequest;
    type Response = BatchUpsertCasesResponse;

    const SCOPE: Scope = Scope::Admin;
    const INVALID: Reason = Reason::InvalidBatch;

    async fn run(
        self,
        caller: Principal,
        request: BatchUpsertCasesRequest,
    ) -> Result<Reply<BatchUpsertCasesResponse>, Error> {
        let agent = self.origin.call_agent(caller.key);
        let BatchUpsertCasesRequest { cases, validate_only } = request;
        let cases = cases.into_iter().map(convert::to_case_draft);
        let cases = CaseUpserts::parse(cases).map_err(Error::Invalid)?;
        let upserted =
            self.database.upsert_cases(caller.tenant, &agent, &cases, validate_only).await?;
        let cases = cases.as_slice().iter().zip(upserted).map(|(upsert, (case, change))| {
            let trial = || convert::from_trial(upsert);
            let (case, external_id) = case.map_or_else(trial, convert::from_case);
            let change = convert::from_change(change).into();
            UpsertedCase { case: Some(case), external_id, change }
        });
        Ok(BatchUpsertCasesResponse { cases: cases.collect() }.into())
    }
}
