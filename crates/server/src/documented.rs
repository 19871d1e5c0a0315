//! The documented limits are those of the rules. The gateway states them without knowing the rules.

use domain::{CaseDescription, CaseName, Description, Email, NewTask, TaskBatch, TeamId};
use proto::wire::limits;

const _: () = {
    assert!(limits::BATCH_TASKS == TaskBatch::MAX_TASKS);
    assert!(limits::ASSIGNEES == NewTask::MAX_EMAILS);
    assert!(limits::EMAIL_BYTES == Email::MAX_BYTES);
    assert!(limits::TASK_DESCRIPTION_CHARS == Description::MAX_CHARS);
    assert!(limits::CASE_NAME_CHARS == CaseName::MAX_CHARS);
    assert!(limits::CASE_DESCRIPTION_CHARS == CaseDescription::MAX_CHARS);
    assert!(limits::TEAM_ID == TeamId::MAX);
};
