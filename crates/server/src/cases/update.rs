//! `UpdateCase`: changes one case.

use domain::{CaseUpdate, Error, Principal, Scope};
use proto::cases::v1::{UpdateCaseRequest, UpdateCaseResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `UpdateCase`.
pub(super) struct Update<'a> {
    pub(super) database: &'a Database,
}

impl Call for Update<'_> {
    type Request = UpdateCaseRequest;
    type Response = UpdateCaseResponse;

    const SCOPE: Scope = Scope::CasesWrite;

    async fn run(
        self,
        caller: Principal,
        request: UpdateCaseRequest,
    ) -> Result<Reply<UpdateCaseResponse>, Error> {
        let UpdateCaseRequest { case, validate_only } = request;
        let draft = convert::to_update_draft(case.unwrap_or_default());
        let update = CaseUpdate::parse(draft).map_err(Error::Invalid)?;
        let case = self.database.update_case(caller.tenant, &update, validate_only).await?;
        Ok(UpdateCaseResponse { case: Some(convert::from_case(case)) }.into())
    }
}
