//! Rows of cases, with the caller's own ids.

use diesel::sql_types::{Nullable, Text};
use domain::{Case, DirectoryCase, ExternalId};

use crate::{cases::row, error::Error, schema::cases};

/// The columns, for queries in Diesel's DSL.
pub(super) const COLUMNS: (cases::external_id, row::Columns) = (cases::external_id, row::COLUMNS);

/// Their values.
pub(super) type Row = (Option<String>, row::Row);

/// The types of the columns in statements that have a row without a case, too.
pub(super) type OptionalColumns = (Nullable<Text>, row::OptionalColumns);

/// Their values.
pub(super) type OptionalRow = (Option<String>, row::OptionalRow);

/// Returns the case in a row.
pub(super) fn to_case((external_id, row): Row) -> Result<DirectoryCase, Error> {
    known_as(external_id, row::to_case(row)?)
}

/// Returns the case in a row; `None` if there is none.
pub(super) fn to_optional_case(
    (external_id, row): OptionalRow,
) -> Result<Option<DirectoryCase>, Error> {
    row::to_optional_case(row)?.map(|case| known_as(external_id, case)).transpose()
}

fn known_as(external_id: Option<String>, case: Case) -> Result<DirectoryCase, Error> {
    let external_id = external_id.map(ExternalId::parse).transpose();
    let external_id = external_id.map_err(|_| row::invalid(case.id.get()))?;
    Ok(DirectoryCase { case, external_id })
}
