//! `GetCase`: returns one case.

use domain::{CaseId, Error, Principal, Scope};
use proto::cases::v1::{GetCaseRequest, GetCaseResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `GetCase`.
pub(super) struct Get<'a> {
    pub(super) database: &'a Database,
}

impl Call for Get<'_> {
    type Request = GetCaseRequest;
    type Response = GetCaseResponse;

    const SCOPE: Scope = Scope::CasesRead;

    async fn run(
        self,
        caller: Principal,
        request: GetCaseRequest,
    ) -> Result<Reply<GetCaseResponse>, Error> {
        let case = CaseId::parse(request.case_id).map_err(Error::Invalid)?;
        let case = self.database.get_case(caller.tenant, case).await?;
        Ok(GetCaseResponse { case: Some(convert::from_case(case)) }.into())
    }
}
