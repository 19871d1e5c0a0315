//! What an operation is about, once it is known which tasks there are.

use super::{
    operation::{Action, Change, Operation, Request, Update},
    prediction::Model,
};

/// The id of a task that never existed.
const NO_TASK: i64 = 4_000_000_000;

/// Returns the request that an operation is now.
pub(super) fn resolve(operation: &Operation, model: &Model, cases: &[(i64, i64)]) -> Request {
    let id = |age: &usize| model.created(*age).map_or(NO_TASK, |(_, id)| id);
    // Tasks are looked for in the case of the first of them.
    let case_of = |age: usize| model.created(age).map_or(cases[0].1, |(case, _)| case);
    match &operation.action {
        Action::Create { case, is_batch, tasks, key, is_trial } => Request::Create {
            case: cases[*case].1,
            is_batch: *is_batch,
            tasks: tasks.clone(),
            key: key.map(|key| format!("key-{key}")),
            is_trial: *is_trial,
        },
        Action::Get { task } => Request::Get { case: case_of(*task), id: id(task) },
        Action::BatchGet { tasks } => {
            Request::BatchGet { case: case_of(tasks[0]), ids: tasks.iter().map(id).collect() }
        }
        Action::List { case, completed, email, page } => Request::List {
            case: case.map(|case| cases[case].1),
            completed: *completed,
            email: *email,
            page: *page,
        },
        Action::Update { is_batch, changes, is_trial } => {
            let update = |Change { task, fields, tag }: &Change| Update {
                id: id(task),
                fields: fields.clone(),
                tag: *tag,
                etag: String::new(),
            };
            Request::Update {
                case: case_of(changes[0].task),
                is_batch: *is_batch,
                updates: changes.iter().map(update).collect(),
                is_trial: *is_trial,
            }
        }
        Action::Delete { is_batch, tasks, tag } => Request::Delete {
            case: case_of(tasks[0]),
            is_batch: *is_batch,
            ids: tasks.iter().map(id).collect(),
            tag: *tag,
            etag: String::new(),
        },
        Action::Record { key } => Request::Record { key: format!("key-{key}") },
    }
}
