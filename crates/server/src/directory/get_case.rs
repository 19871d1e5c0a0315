//! `GetCase`: returns one case, by the caller's own id.

use domain::{Error, Principal, Scope};
use proto::directory::v1::{GetCaseRequest, GetCaseResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `GetCase`.
pub(super) struct GetCase<'a> {
    pub(super) database: &'a Database,
}

impl Call for GetCase<'_> {
    type Request = GetCaseRequest;
    type Response = GetCaseResponse;

    const SCOPE: Scope = Scope::Admin;

    async fn run(
        self,
        caller: Principal,
        request: GetCaseRequest,
    ) -> Result<Reply<GetCaseResponse>, Error> {
        let key = convert::to_case_key(request.case)?;
        let case = self.database.find_case(caller.tenant, key).await?;
        let (case, external_id) = convert::from_case(case);
        Ok(GetCaseResponse { case: Some(case), external_id }.into())
    }
}
