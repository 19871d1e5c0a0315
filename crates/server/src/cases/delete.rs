//! `DeleteCase`: deletes one case with its tasks.

use domain::{CaseId, Error, Precondition, Principal, Scope};
use proto::cases::v1::{DeleteCaseRequest, DeleteCaseResponse};
use store::Database;

use crate::call::{Call, Reply};

/// One call of `DeleteCase`.
pub(super) struct Delete<'a> {
    pub(super) database: &'a Database,
    pub(super) request_id: String,
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
        let actor = caller.acting_in(self.request_id);
        self.database.delete_case(&actor, case, &precondition).await?;
        Ok(DeleteCaseResponse {}.into())
    }
}
