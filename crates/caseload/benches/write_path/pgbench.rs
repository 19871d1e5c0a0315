//! The pgbench load: the prepared statement of one batch, sent directly to Postgres.

use std::{fs, process::Command, time::Duration};

use crate::{
    tally::Tally,
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
    let directory = tempfile::tempdir_in(world.directory()).unwrap();
    let script_path = directory.path().join("batch.sql");
    fs::write(&script_path, script(work, spread)).unwrap();
    let seconds = duration.as_secs_f64().ceil();
    let output = Command::new(world.bin_dir().join("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--log", "--log-prefix=log"])
        .args(["--client", &clients.to_string(), "--jobs", &clients.min(2).to_string()])
        .args(["--time", &seconds.to_string(), "--file"])
        .arg(&script_path)
        .arg(world.database_url())
        .current_dir(directory.path())
        // The settings of Caseload's own sessions.
        .env("PGOPTIONS", "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let mut tally = Tally::new();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path == script_path {
            continue;
        }
        // client, transaction, microseconds, …
        for line in fs::read_to_string(path).unwrap().lines() {
            let micros = line.split(' ').nth(2).unwrap().parse().unwrap();
            tally.latencies.record(micros).unwrap();
        }
    }
    tally.created = tally.measured();
    let rate: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .expect("pgbench prints its rate");
    tally.elapsed = Duration::from_secs_f64(tally.created as f64 / rate);
    tally
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
    let (mut email_tasks, mut positions) = (Vec::new(), Vec::new());
    for (task, count) in work.assignees().into_iter().enumerate() {
        for position in 0..count {
            let name = format!("user_{task}_{position}");
            // As in the other loads, a task's users have consecutive numbers.
            script.push_str(&match position {
                0 => format!("\\set {name} random(1, {USERS})\n"),
                _ => format!("\\set {name} :user_{task}_0 % {USERS} + {position}\n"),
            });
            emails.push(format!("'user' || :{name} || '@example.com'"));
            email_tasks.push((task + 1).to_string());
            positions.push(position.to_string());
        }
    }
    let tasks = work.assignees().len();
    let ones = |count: usize| format!("'{{{}}}'", vec!["1"; count].join(","));
    let descriptions: Vec<_> =
        (0..tasks).map(|task| format!("\"{}\"", description(task))).collect();
    let parameters = [
        "ARRAY[:tenant]".to_owned(),
        "ARRAY[:case]".to_owned(),
        ones(tasks),
        format!("'{{{}}}'", descriptions.join(",")),
        format!("array_fill(:tenant::bigint, ARRAY[{}])", emails.len()),
        ones(emails.len()),
        format!("'{{{}}}'", email_tasks.join(",")),
        format!("'{{{}}}'", positions.join(",")),
        format!("ARRAY[{}]", emails.join(", ")),
    ];
    let mut statement = without_comments(STATEMENT);
    for (number, parameter) in parameters.iter().enumerate() {
        statement = statement.replace(&format!("${}::", number + 1), &format!("{parameter}::"));
    }
    script + &statement + ";\n"
}

/// pgbench would take the comments for a part of the statement, parameters included.
fn without_comments(sql: &str) -> String {
    sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n")
}
