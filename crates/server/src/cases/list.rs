//! `ListCases`: returns a page of the cases of the tenant.

use domain::{CaseQuery, Error, Principal, Scope};
use proto::cases::v1::{ListCasesRequest, ListCasesResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `ListCases`.
pub(super) struct List<'a> {
    pub(super) database: &'a Database,
}

impl Call for List<'_> {
    type Request = ListCasesRequest;
    type Response = ListCasesResponse;

    const SCOPE: Scope = Scope::CasesRead;

    async fn run(
        self,
        caller: Principal,
        request: ListCasesRequest,
    ) -> Result<Reply<ListCasesResponse>, Error> {
        let query = CaseQuery::parse(convert::to_list_draft(request)).map_err(Error::Invalid)?;
        let page = self.database.query_cases(caller.tenant, &query).await?;
        let next_page_token = page.next_page_token(&query.filter).unwrap_or_default();
        let total_size = page.total.unwrap_or_default();
        let cases = page.cases.into_iter().map(convert::from_case).collect();
        Ok(ListCasesResponse { cases, next_page_token, total_size }.into())
    }
}
