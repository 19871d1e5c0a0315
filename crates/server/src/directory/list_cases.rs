//! `ListCases`: returns a page of the cases of the tenant, with the caller's own ids.

use domain::{DirectoryCaseQuery, Error, Principal, Scope};
use proto::directory::v1::{DirectoryCase, ListCasesRequest, ListCasesResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `ListCases`.
pub(super) struct ListCases<'a> {
    pub(super) database: &'a Database,
}

impl Call for ListCases<'_> {
    type Request = ListCasesRequest;
    type Response = ListCasesResponse;

    const SCOPE: Scope = Scope::Admin;

    async fn run(
        self,
        caller: Principal,
        request: ListCasesRequest,
    ) -> Result<Reply<ListCasesResponse>, Error> {
        let draft = convert::to_case_list_draft(request);
        let query = DirectoryCaseQuery::parse(draft).map_err(Error::Invalid)?;
        let page = self.database.list_directory_cases(caller.tenant, &query).await?;
        let next_page_token = page.next_page_token(&query).unwrap_or_default();
        let cases = page.cases.into_iter().map(|case| {
            let (case, external_id) = convert::from_case(case);
            DirectoryCase { case: Some(case), external_id }
        });
        Ok(ListCasesResponse { cases: cases.collect(), next_page_token }.into())
    }
}
