//! The cases of a team.

use proto::cases::v1::{
    CaseStatus, ListCasesRequest, Priority, case_service_client::CaseServiceClient,
};
use serde_json::Value;
use tonic::Status;

use super::{
    cases::{CaseContents, SeenCase},
    lists::{Caller, List},
};

/// The cases of a team that pass these filters, if there are any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CaseList {
    pub(crate) team_id: i64,
    pub(crate) priority: Option<Priority>,
    pub(crate) status: Option<CaseStatus>,
}

impl CaseList {
    /// Returns whether a case with these contents is in the list.
    pub(crate) fn has(&self, case: &CaseContents) -> bool {
        case.team_id == self.team_id
            && self.priority.is_none_or(|priority| case.priority == priority)
            && self.status.is_none_or(|status| case.status == status)
    }
}

impl List for CaseList {
    /// A case without an entity tag: REST has none in a list.
    type Item = SeenCase;

    const SIZES: (usize, usize) = (2, 50);

    async fn call(
        &self,
        caller: Caller<'_>,
        page_size: i32,
        page_token: String,
    ) -> Result<(Vec<SeenCase>, String), Status> {
        let message = ListCasesRequest {
            page_size,
            page_token,
            team_id: Some(self.team_id),
            priority: self.priority.unwrap_or_default().into(),
            status: self.status.unwrap_or_default().into(),
            ..Default::default()
        };
        let mut client = CaseServiceClient::new(caller.channel());
        let page = client.list_cases(caller.message(message)).await?.into_inner();
        Ok((page.cases.into_iter().map(SeenCase::of_message).collect(), page.next_page_token))
    }

    fn path(&self) -> Option<(String, String)> {
        let mut query = format!("team_id={}&", self.team_id);
        if let Some(priority) = self.priority {
            let word = priority.as_str_name().trim_start_matches("PRIORITY_");
            query = format!("{query}priority={word}&");
        }
        if let Some(status) = self.status {
            let word = status.as_str_name().trim_start_matches("CASE_STATUS_");
            query = format!("{query}status={word}&");
        }
        Some(("cases".to_owned(), query))
    }

    fn items(body: &[u8]) -> Option<Vec<SeenCase>> {
        let body: Value = serde_json::from_slice(body).ok()?;
        body["cases"].as_array()?.iter().map(SeenCase::of_json).collect()
    }
}
