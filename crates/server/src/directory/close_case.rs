//! `CloseCase`: closes a case.

use domain::{Error, Principal, Scope};
use proto::directory::v1::{CloseCaseRequest, CloseCaseResponse};
use store::Database;

use super::convert;
use crate::{
    audit::Origin,
    call::{Call, Reply},
};

/// One call of `CloseCase`.
pub(super) struct CloseCase<'a> {
    pub(super) database: &'a Database,
    pub(super) origin: Origin,
}

impl Call for CloseCase<'_> {
    type Request = CloseCaseRequest;
    type Response = CloseCaseResponse;

    const SCOPE: Scope = Scope::Admin;

    async fn run(
        self,
        caller: Principal,
        request: CloseCaseRequest,
    ) -> Result<Reply<CloseCaseResponse>, Error> {
        let agent = self.origin.agent(caller.key);
        let key = convert::to_case_key(request.case)?;
        let case = self.database.close_case(caller.tenant, agent, key).await?;
        let (case, external_id) = convert::from_case(case);
        Ok(CloseCaseResponse { case: Some(case), external_id }.into())
    }
}
