//! Lines that are cases.

use proto::{
    cases::v1::{CaseStatus, Priority},
    directory::v1::{BatchUpsertCasesRequest, Change, UpsertCase},
};
use serde::Deserialize;

use super::{
    directory_service::directory_service,
    fields::Fields,
    kind::{Column, Kind, optional, required},
    ndjson::JsonLine,
    upsert::Upsert,
};
use crate::client::{connection::Client, error::CallError};

/// Lines that are cases to be created or changed.
pub(super) struct Cases;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseObject {
    external_id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    priority: Option<String>,
    status: Option<String>,
    team_id: Option<i64>,
}

impl Kind for Cases {
    type Item = UpsertCase;

    const COLUMNS: &'static [Column] = &[
        required("external_id"),
        required("name"),
        optional("description"),
        optional("priority"),
        optional("status"),
        optional("team_id"),
    ];
    const BATCH: usize = 500;
    const LIST: &'static str = "cases";

    fn read_fields(fields: &mut Fields) -> Result<UpsertCase, String> {
        let team_id = fields.take("team_id").map(|text| {
            text.parse().map_err(|_| format!("team_id {text:?}: it is not a whole number"))
        });
        convert(CaseObject {
            external_id: fields.take("external_id"),
            name: fields.take("name"),
            description: fields.take("description"),
            priority: fields.take("priority"),
            status: fields.take("status"),
            team_id: team_id.transpose()?,
        })
    }

    fn read_json(line: &JsonLine) -> Result<UpsertCase, String> {
        convert(line.parse()?)
    }

    fn text<'a>(case: &'a UpsertCase, field: &str) -> Option<&'a str> {
        (field == "external_id").then_some(case.external_id.as_str())
    }
}

impl Upsert for Cases {
    async fn upsert(
        client: &Client,
        cases: Vec<UpsertCase>,
        validate_only: bool,
    ) -> Result<Vec<Change>, CallError> {
        let request = BatchUpsertCasesRequest { cases, validate_only };
        let reply =
            client.call(Self::repeat(validate_only), request, |channel, request| async move {
                directory_service(channel).batch_upsert_cases(request).await
            });
        Ok(reply.await?.message.cases.iter().map(|case| case.change()).collect())
    }
}

fn convert(case: CaseObject) -> Result<UpsertCase, String> {
    let priority = word(case.priority, "priority", |word| {
        Priority::from_str_name(&format!("PRIORITY_{word}"))
    })?;
    let status = word(case.status, "status", |word| {
        CaseStatus::from_str_name(&format!("CASE_STATUS_{word}"))
    })?;
    Ok(UpsertCase {
        external_id: case.external_id.unwrap_or_default(),
        name: case.name.unwrap_or_default(),
        description: case.description,
        priority: priority.unwrap_or_default().into(),
        status: status.unwrap_or_default().into(),
        team_id: case.team_id,
    })
}

/// Reads a word of the REST API, as `HIGH` or `OPEN`.
fn word<T: Copy + Default + PartialEq>(
    text: Option<String>,
    field: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, String> {
    let Some(text) = text else { return Ok(None) };
    let value = parse(&text).filter(|value| *value != T::default());
    value.map(Some).ok_or_else(|| format!("{field} {text:?}: there is no such {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(columns: &[&'static str], fields: &[&str]) -> Result<UpsertCase, String> {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Cases::read_fields(&mut Fields::new(columns, fields))
    }

    #[test]
    fn words_and_numbers_are_those_of_the_rest_api() {
        let columns = ["external_id", "name", "priority", "status", "team_id"];
        let case = read(&columns, &["c-1", "Leak", "CRITICAL", "CLOSED", "7"]).unwrap();
        assert_eq!((case.priority(), case.status()), (Priority::Critical, CaseStatus::Closed));
        assert_eq!((case.team_id, case.description), (Some(7), None));
        let empty = read(&columns, &["c-1", "Leak", "", "", ""]).unwrap();
        assert_eq!((empty.priority(), empty.status()), Default::default());
        assert_eq!(empty.team_id, None);
    }

    #[test]
    fn other_words_are_refused_by_name() {
        for (column, text, fault) in [
            ("priority", "high", "priority \"high\": there is no such priority"),
            ("priority", "UNSPECIFIED", "priority \"UNSPECIFIED\": there is no such priority"),
            ("status", "DONE", "status \"DONE\": there is no such status"),
            ("team_id", "1.5", "team_id \"1.5\": it is not a whole number"),
        ] {
            assert_eq!(read(&[column], &[text]), Err(fault.to_owned()));
        }
    }
}
