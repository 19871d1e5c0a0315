//! `CreateCase`: creates a case with up to 25 tasks, all or nothing.

use domain::{Error, Principal, Scope};
use proto::cases::v1::{CreateCaseRequest, CreateCaseResponse};
use store::Database;

use super::convert;
use crate::{
    audit::Origin,
    call::{Call, Reply},
    tasks::{from_new_tasks, from_task},
};

/// One call of `CreateCase`.
pub(super) struct Create<'a> {
    pub(super) database: &'a Database,
    pub(super) origin: Origin,
}

impl Call for Create<'_> {
    type Request = CreateCaseRequest;
    type Response = CreateCaseResponse;

    const SCOPE: Scope = Scope::CasesWrite;

    async fn run(
        self,
        caller: Principal,
        request: CreateCaseRequest,
    ) -> Result<Reply<CreateCaseResponse>, Error> {
        let is_trial = request.validate_only;
        let case = convert::to_new_case(request)?;
        if is_trial {
            let users = self.database.check_case(caller.tenant, &case).await;
            let users = users.map_err(Error::of_new_case)?;
            let message = CreateCaseResponse {
                case: Some(convert::from_trial(&case)),
                tasks: from_new_tasks(0, case.into_tasks(), users),
            };
            return Ok(message.into());
        }
        let agent = self.origin.call_agent(caller.key);
        let created = self.database.create_case_with_tasks(caller.tenant, &agent, case).await;
        let created = created.map_err(Error::of_new_case)?;
        let message = CreateCaseResponse {
            case: Some(convert::from_case(created.case)),
            tasks: created.tasks.into_iter().map(from_task).collect(),
        };
        Ok(Reply { message, is_replay: created.is_replay })
    }
}
