//! The options and commands of `caseload tasks`.

use clap::{ArgGroup, Args, Subcommand};
use domain::Email;
use proto::Timestamp;

use super::{client::ClientOptions, import::TaskImportOptions};

#[derive(Args)]
pub(crate) struct TasksOptions {
    #[command(flatten)]
    pub(crate) client: ClientOptions,

    /// Print JSON: an object on each line, with the members of the REST API
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: TasksCommand,
}

/// What is done with tasks.
#[derive(Subcommand)]
pub(crate) enum TasksCommand {
    /// List the tasks of a case, or of a user over all cases
    List(ListOptions),
    /// Show tasks
    Get(SomeTasks),
    /// Create tasks
    Create(CreateOptions),
    /// Mark tasks as completed
    Complete(SomeTasks),
    /// Mark tasks as not completed
    Reopen(SomeTasks),
    /// Assign a task: to these users instead of those before, or to more or fewer
    Assign(AssignOptions),
    /// Delete tasks
    Delete(SomeTasks),
    /// Create a task for each line of a file; can be stopped, and run again
    Import(TaskImportOptions),
}

#[derive(Args)]
#[command(group = ArgGroup::new("scope").required(true).args(["case_id", "user"]))]
pub(crate) struct ListOptions {
    /// The case whose tasks are listed
    #[arg(long = "case", value_parser = clap::value_parser!(i64).range(1..), value_name = "ID")]
    pub(crate) case_id: Option<i64>,
    /// The user whose tasks are listed, over all cases
    #[arg(long, value_parser = email, value_name = "EMAIL")]
    pub(crate) user: Option<Email>,
    /// Only tasks of the case that are assigned to this user
    #[arg(long, value_parser = email, value_name = "EMAIL", conflicts_with = "user")]
    pub(crate) assignee: Option<Email>,
    /// Only tasks that are, or are not, completed
    #[arg(long, value_name = "true|false")]
    pub(crate) completed: Option<bool>,
    /// Only tasks that were changed later than this, as in 2024-03-25T15:40:39Z
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) updated_after: Option<Timestamp>,
    /// The most tasks to list [default: all]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), value_name = "COUNT")]
    pub(crate) limit: Option<u64>,
}

/// Tasks of one case.
#[derive(Args)]
pub(crate) struct SomeTasks {
    /// The case to which the tasks belong
    #[arg(long = "case", value_parser = clap::value_parser!(i64).range(1..), value_name = "ID")]
    pub(crate) case_id: i64,
    /// The tasks' ids; of up to 25 all or none are found or changed
    #[arg(required = true, value_parser = clap::value_parser!(i64).range(1..), value_name = "TASK_ID")]
    pub(crate) task_ids: Vec<i64>,
}

#[derive(Args)]
pub(crate) struct CreateOptions {
    /// The case to which the tasks belong
    #[arg(long = "case", value_parser = clap::value_parser!(i64).range(1..), value_name = "ID")]
    pub(crate) case_id: i64,
    /// What is to be done: a task for each, up to 25, all or none
    #[arg(required = true, num_args = 1..=25, value_name = "DESCRIPTION")]
    pub(crate) descriptions: Vec<String>,
    /// A user to whom the tasks are assigned; may be given several times
    #[arg(long = "assignee", value_parser = email, value_name = "EMAIL")]
    pub(crate) assignees: Vec<Email>,
}

#[derive(Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["emails", "add", "remove", "nobody"]))]
pub(crate) struct AssignOptions {
    /// The case to which the task belongs
    #[arg(long = "case", value_parser = clap::value_parser!(i64).range(1..), value_name = "ID")]
    pub(crate) case_id: i64,
    /// The task's id
    #[arg(value_parser = clap::value_parser!(i64).range(1..), value_name = "TASK_ID")]
    pub(crate) task_id: i64,
    /// The users to whom the task is assigned, instead of those before
    #[arg(value_parser = email, value_name = "EMAIL", conflicts_with_all = ["add", "remove", "nobody"])]
    pub(crate) emails: Vec<Email>,
    /// Assign the task to this user, too; may be given several times
    #[arg(long, value_parser = email, value_name = "EMAIL")]
    pub(crate) add: Vec<Email>,
    /// Take the task from this user; may be given several times
    #[arg(long, value_parser = email, value_name = "EMAIL")]
    pub(crate) remove: Vec<Email>,
    /// Assign the task to nobody
    #[arg(long, conflicts_with_all = ["add", "remove"])]
    pub(crate) nobody: bool,
}

// The server judges whether a user may have it.
fn email(text: &str) -> Result<Email, String> {
    Email::parse(text.to_owned()).map_err(|_| "this is not an email address".to_owned())
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "expected a time as 2024-03-25T15:40:39Z")
}
