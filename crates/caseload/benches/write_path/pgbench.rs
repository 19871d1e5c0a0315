//! The pgbench load: the prepared statement of one batch, sent directly to Postgres.

use std::time::Duration;

use crate::{
    load::{
        pgbench::{self, Target},
        tally::Tally,
    },
    work::{CASES, Spread, TENANTS, USERS, Work, description},
    world::World,
};

const STATEMENT: &str = include_str!("../../../store/src/write_path/statement/create.sql");

/// Runs pgbench with `clients` connections, each of which waits for a result before it sends the
/// next batch.
pub(crate) fn run(
    world: &World,
    work: Work,
    spread: Spread,
    clients: usize,
    duration: Duration,
) -> Tally {
    let target = Target {
        bin_dir: world.bin_dir(),
        database_url: &world.database_url(),
        directory: world.directory(),
    };
    pgbench::run(&target, &script(work, spread), clients, duration)
}

/// Returns the statement with a random tenant, case and users in place of its parameters. pgbench
/// has no arrays, so the array of emails is built from the users' numbers.
fn script(work: Work, spread: Spread) -> String {
    let last_tenant = match spread {
        Spread::Tenants => TENANTS,
        Spread::OneTenant => 1,
    };
    let mut script = format!(
        "\\set tenant random(1, {last_tenant})\n\
         \\set case (:tenant - 1) * {CASES} + random(1, {CASES})\n"
    );
    let mut emails = Vec::new();
    let mut email_numbers = Vec::new();
    for (task, count) in work.assignees().into_iter().enumerate() {
        for position in 0..count {
            let name = format!("user_{task}_{position}");
            // As in the other loads, a task's users have consecutive numbers.
            script.push_str(&match position {
                0 => format!("\\set {name} random(1, {USERS})\n"),
                _ => format!("\\set {name} :user_{task}_0 % {USERS} + {position}\n"),
            });
            emails.push(format!("'user' || :{name} || '@example.com'"));
            email_numbers.push(format!("tenant,1,{},{position}", task + 1));
        }
    }
    let tasks = work.assignees().len();
    let descriptions: Vec<_> =
        (0..tasks).map(|task| format!("\"{}\"", description(task))).collect();
    let user_ends = work.assignees().into_iter().scan(0, |end, count| {
        *end += count;
        Some(end.to_string())
    });
    let parameters = [
        format!(
            "ARRAY[ROW(1, {tasks}, 1, {}, :tenant, :case, 1, 'a-request', '{{{}}}')::task_batch]",
            emails.len(),
            user_ends.collect::<Vec<_>>().join(",")
        ),
        format!("'{{{}}}'", vec!["1"; tasks].join(",")),
        format!("'{{{}}}'", descriptions.join(",")),
        // Each mention of a variable is a parameter for pgbench, which has 255 at most.
        format!("replace('{{{}}}', 'tenant', :tenant::text)", email_numbers.join(",")),
        format!("ARRAY[{}]", emails.join(", ")),
    ];
    let mut statement = pgbench::without_comments(STATEMENT);
    for (number, parameter) in parameters.iter().enumerate() {
        statement = statement.replace(&format!("${}::", number + 1), &format!("{parameter}::"));
    }
    script + &statement + ";\n"
}
