//! What the statement is told of a batch: a value of the composite type `task_batch`.

use diesel::{
    PgConnection,
    pg::Pg,
    query_builder::QueryId,
    serialize::{self, Output, ToSql, WriteTuple},
    sql_types::{self, Array, BigInt, HasSqlType, Integer, SmallInt, Text},
};

/// The type in the database.
#[derive(Debug, QueryId, sql_types::SqlType)]
#[diesel(postgres_type(name = "task_batch"))]
pub(super) struct SqlType;

/// Finds the type in the database, whose number differs from one database to the next. Diesel would do so within the
/// first statement of each connection: that would end before its commit then, for all that is known of it, and if the
/// type were missing, its batches would be in doubt.
///
/// # Errors
/// The database does not answer, or has no such type.
pub(in crate::write_path) fn look_up_type(
    connection: &mut PgConnection,
) -> Result<(), impl std::error::Error + Send + Sync + use<>> {
    <Pg as HasSqlType<SqlType>>::metadata(connection).array_oid().map(|_| ())
}

/// A batch, without its tasks. Tasks and emails are numbered from 1 through the whole statement.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// Also the number of the batch.
    pub(super) first_task: i32,
    pub(super) last_task: i32,
    /// Greater than the last one's if there are none.
    pub(super) first_email: i32,
    pub(super) last_email: i32,
    pub(super) tenant: i64,
    pub(super) case: i64,
    pub(super) key: i64,
    pub(super) request_id: &'a str,
    /// For each task, how many emails belong to it and to the tasks of the batch before it.
    pub(super) user_ends: Vec<i16>,
}

impl ToSql<SqlType, Pg> for Batch<'_> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        type Columns =
            (Integer, Integer, Integer, Integer, BigInt, BigInt, BigInt, Text, Array<SmallInt>);
        WriteTuple::<Columns>::write_tuple(
            &(
                self.first_task,
                self.last_task,
                self.first_email,
                self.last_email,
                self.tenant,
                self.case,
                self.key,
                self.request_id,
                &self.user_ends,
            ),
            &mut out.reborrow(),
        )
    }
}
