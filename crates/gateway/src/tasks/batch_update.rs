//! `PUT /api/v2/cases/{case_id}/tasks/batch`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use proto::tasks::v1::BatchUpdateTasksRequest;

use super::{convert, dto::UpdateTasks};
use crate::{
    extract::{CallOptions, CaseId, JsonBody, NoIfMatch, ValidateOnly},
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// Changes up to 25 tasks of a case: all or none.
pub(crate) async fn batch_update<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    ValidateOnly(validate_only): ValidateOnly,
    _: NoIfMatch,
    options: CallOptions,
    JsonBody { value, permit: _permit }: JsonBody<UpdateTasks>,
) -> Result<Response, Problem> {
    let tasks = convert::to_updates(value);
    let message = BatchUpdateTasksRequest { case_id, tasks, validate_only };
    let reply = client
        .call(Retry::of_update(validate_only), options, message, |transport, request| async {
            task_service(transport).batch_update_tasks(request).await
        })
        .await?;
    Ok(reply.map(|response| convert::to_tasks_body(response.tasks)).into_response())
}
