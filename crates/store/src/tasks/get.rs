//! Tasks by their ids.

use std::sync::LazyLock;

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool},
};
use domain::{CaseId, Task, TenantId};

use super::row::{self, Columns, Row};
use crate::{
    error::Error,
    scope::TenantConnection,
    sql::{Parameters, Sql, Statement, bind},
};

/// Finds tasks.
pub(super) struct Get;

impl Statement for Get {
    type Columns = (BigInt, Bool, Columns);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(include_str!("get.sql")));
        &TEXT
    }
}

/// The tasks that several callers want.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    // The parameters, as get.sql describes them: one element for each task.
    tenants: Vec<i64>,
    cases: Vec<i64>,
    tasks: Vec<i64>,
    /// How many of them each caller wants.
    counts: Vec<usize>,
}

/// What is found of a task: whether its case exists, and the task, if there is one. An error is one of
/// this task alone.
pub(crate) type Found = (bool, Result<Option<Task>, Error>);

impl Wanted {
    /// Adds the tasks that one caller wants.
    pub(crate) fn add(&mut self, tenant: TenantId, case: CaseId, tasks: &[i64]) {
        self.tenants.extend(tasks.iter().map(|_| tenant.get()));
        self.cases.extend(tasks.iter().map(|_| case.get()));
        self.tasks.extend(tasks);
        self.counts.push(tasks.len());
    }

    /// Finds the tasks. Returns what is found for each caller, in the order of its tasks.
    pub(crate) fn find(
        &self,
        connection: &mut TenantConnection<'_>,
    ) -> Result<Vec<Vec<Found>>, Error> {
        if self.tasks.is_empty() {
            return deal(&self.counts, Vec::new());
        }
        let rows: Vec<(i64, bool, Row)> = connection.load(bind(Get, self))?;
        let found = rows
            .into_iter()
            .map(|(no, case_exists, row)| (no, (case_exists, row::to_task(row))))
            .collect();
        deal(&self.counts, found)
    }
}

impl Parameters for &Wanted {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<BigInt>, _>(match number {
            1 => &self.tenants,
            2 => &self.cases,
            _ => &self.tasks,
        })
    }
}

/// Returns to each caller what is found for it, by the numbers of the rows alone.
///
/// # Errors
/// [`Error::Internal`] unless there is exactly one row with each number from 1.
fn deal<T>(counts: &[usize], rows: Vec<(i64, T)>) -> Result<Vec<Vec<T>>, Error> {
    let mut slots: Vec<Option<T>> = Vec::new();
    slots.resize_with(counts.iter().sum(), || None);
    for (no, row) in rows {
        let slot = usize::try_from(no).ok().and_then(|no| slots.get_mut(no.checked_sub(1)?));
        match slot {
            Some(slot @ None) => *slot = Some(row),
            _ => return Err(Error::internal(format!("an unexpected row has the number {no}"))),
        }
    }
    let mut slots = slots.into_iter();
    let dealt = counts.iter().map(|&count| slots.by_ref().take(count).collect());
    dealt.collect::<Option<_>>().ok_or_else(|| Error::internal("a row is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_gets_the_rows_with_its_numbers_whatever_their_order() {
        let rows = vec![(4, 'd'), (1, 'a'), (3, 'c'), (2, 'b')];
        assert_eq!(
            deal(&[1, 0, 2, 1], rows).unwrap(),
            [vec!['a'], vec![], vec!['b', 'c'], vec!['d']]
        );
    }

    #[test]
    fn nobody_gets_anything_if_a_row_is_not_the_only_one_with_its_number() {
        for rows in [
            vec![(1, 'a')],
            vec![(1, 'a'), (1, 'b')],
            vec![(0, 'a'), (1, 'b')],
            vec![(1, 'a'), (2, 'b'), (3, 'c')],
            vec![(1, 'a'), (2, 'b'), (-1, 'c')],
        ] {
            assert!(matches!(deal(&[1, 1], rows), Err(Error::Internal(_))));
        }
    }
}
