//! `UpdateCase`: changes one case.

use domain::{CaseUpdate, Error, Principal, Scope};
use proto::cases::v1::{UpdateCaseRequest, UpdateCaseResponse};
use store::Database;

use super::convert;
use crate::{
    audit::Origin,
    call::{Call, Reply},
};

/// One call of `UpdateCase`.
pub(super) struct Update<'a> {
    pub(super) database: &'a Database,
    pub(super) origin: Origin,
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
        let agent = self.origin.call_agent(caller.key);
        let case = self.database.update_case(caller.tenant, &agent, &update, validate_only).await?;
        Ok(UpdateCaseResponse { case: Some(convert::from_case(case)) }.into())
    }
}
