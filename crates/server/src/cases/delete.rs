//! `DeleteCase`: deletes one case with its tasks.

use domain::{CaseId, Error, Precondition, Principal, Scope};
use proto::cases::v1::{DeleteCaseRequest, DeleteCaseResponse};
use store::Database;

use crate::{
    audit::Origin,
    call::{Call, Reply},
};

/// One call of `DeleteCase`.
pub(super) struct Delete<'a> {
    pub(super) database: &'a Database,
    pub(super) origin: Origin,
}

impl Call for Delete<'_> {
    type Request = DeleteCaseRequest;
    type Response = DeleteCaseResponse;

    const SCOPE: Scope = Scope::CasesWrite;

    async fn run(
        self,
        caller: Principal,
        request: DeleteCaseRequest,
    ) -> Result<Reply<DeleteCaseResponse>, Error> {
        let case = CaseId::parse(request.case_id).map_err(Error::Invalid)?;
        let precondition = Precondition::parse(&request.etag);
        let agent = self.origin.call_agent(caller.key);
        self.database.delete_case(caller.tenant, &agent, case, &precondition).await?;
        Ok(DeleteCaseResponse {}.into())
    }
}
