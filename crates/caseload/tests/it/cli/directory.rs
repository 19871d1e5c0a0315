//! Users and cases from files.

use std::fs;

use domain::{ApiKey, Scope};

use super::shell::Shell;
use crate::support::{CASELOAD, Exited, Program};

/// A shell, and a key that may administer.
struct Office {
    shell: Shell,
    key: ApiKey,
}

impl Office {
    async fn open() -> Self {
        let shell = Shell::open().await;
        let key = shell.app.key_with(&[Scope::Admin]).await;
        Self { shell, key }
    }

    fn import(&self, args: &[&str]) -> Exited {
        let args = [&["admin", "import"], args].concat();
        let exited = self.shell.start_with(&self.key, &args).wait_for_exit();
        exited.assert_never_wrote(&[self.key.expose()]);
        exited
    }

    /// Runs an import that must succeed, and returns what it prints.
    #[track_caller]
    fn text(&self, args: &[&str]) -> String {
        let exited = self.import(args);
        assert_eq!((exited.code(), &*exited.stderr), (Some(0), ""), "{args:?}: {exited:?}");
        exited.stdout
    }

    fn query(&self, sql: &str) -> String {
        self.shell.app.database.query(sql)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_created_and_changed_by_a_file_that_may_be_imported_again() {
    let office = Office::open().await;
    let lines: String = (0..1200)
        .map(|number| format!("Person{number}@Example.com,hr-{number},First,Last {number}\n"))
        .collect();
    let head = "email,external_id,first_name,last_name\n";
    let file = office.shell.file("users.csv", format!("{head}{lines}"));
    assert_eq!(office.text(&[&file]), "1200 records: 1200 created\n");
    assert_eq!(office.text(&[&file]), "1200 records: 0 created, 0 changed, 1200 unchanged\n");

    // An empty field leaves what is there.
    let changed = lines.replace("First,Last 7\n", ",Other\n");
    fs::write(&file, format!("{head}{changed}")).unwrap();
    assert_eq!(office.text(&[&file]), "1200 records: 0 created, 1 changed, 1199 unchanged\n");
    let user = "SELECT first_name, last_name FROM users WHERE email = 'person7@example.com'";
    assert_eq!(office.query(user), "First|Other");
    assert_eq!(office.query("SELECT count(*) FROM users"), "1203");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_users_are_named_and_all_others_created() {
    let office = Office::open().await;
    let file = office.shell.file(
        "users.csv",
        "first_name,email\nAnn,ann@example.com\nBob,bob\nCid,\nAnn,ANN@example.com\n\
         Dan,dan@example.com,more\nEve,eve@example.com\nFay,fay@erased.invalid\n",
    );
    let rejects = office.shell.path("rejects.csv");
    let exited = office.import(&[&file, "--rejects", &rejects]);
    assert_eq!(exited.code(), Some(65), "{exited:?}");
    assert_eq!(exited.stdout, "7 records: 2 created, 5 refused\n");
    let starts = [
        "line 3: email \"bob\": ",
        "line 4: email",
        "line 5: ",
        "line 6: it has 3 fields",
        "line 8: email \"fay@erased.invalid\": ",
    ];
    for (line, start) in exited.stderr.lines().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(exited.stderr.lines().count(), starts.len());
    let rejected = fs::read_to_string(rejects).unwrap();
    assert_eq!(rejected.lines().take(2).collect::<Vec<_>>(), ["first_name,email", "Bob,bob"]);
    assert_eq!(office.query("SELECT count(*) FROM users"), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_created_and_changed_by_a_file() {
    let office = Office::open().await;
    let file = office.shell.file(
        "cases.csv",
        "external_id,name,priority,status,team_id\nc-1,Leak,CRITICAL,,7\nc-2,Fire,,CLOSED,\n\
         c-3,Flood,high,,\n",
    );
    let exited = office.import(&[&file, "--dry-run"]);
    assert_eq!(
        (exited.code(), &*exited.stderr),
        (Some(65), "line 4: priority \"high\": there is no such priority\n")
    );
    assert_eq!(exited.stdout, "3 records: 2 created, 1 refused; a dry run: nothing was changed\n");
    assert_eq!(office.query("SELECT count(*) FROM cases"), "1");

    assert_eq!(office.import(&[&file]).stdout, "3 records: 2 created, 1 refused\n");
    let json = office
        .shell
        .file("cases.ndjson", "{\"external_id\":\"c-1\",\"name\":\"Leak\",\"priority\":\"LOW\"}\n");
    assert_eq!(office.text(&[&json, "--cases"]), "1 record: 0 created, 1 changed, 0 unchanged\n");
    let cases = "SELECT name, priority, status, team_id FROM cases \
                 WHERE external_id IS NOT NULL ORDER BY external_id";
    let cases = office.query(cases).to_lowercase();
    assert!(cases.starts_with("leak|low|open|7\nfire|low|closed|"), "{cases}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_needs_a_key_and_no_database_and_other_commands_the_reverse() {
    let office = Office::open().await;
    let users = office.shell.file("users.csv", "email\nann@example.com\n");
    let lines = office.shell.file("users.ndjson", "{\"email\":\"ann@example.com\"}\n");
    let server = format!("http://{}", office.shell.app.grpc_addr);
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let args = [&["admin"], args].concat();
        let exited = Program::start_with_env(CASELOAD, &args, variables).wait_for_exit();
        (exited.code(), exited.stderr)
    };
    let key = ("CASELOAD_API_KEY", office.key.expose());
    let import = ["import", &users, "--server", &server];
    assert_eq!(run(&[key], &import), (Some(0), String::new()));
    let no_key = run(&[], &import);
    assert!(no_key.0 == Some(64) && no_key.1.contains("there is no API key"), "{no_key:?}");
    let other = ("CASELOAD_API_KEY", office.shell.key.expose());
    let no_scope = run(&[other], &import);
    assert!(no_scope.0 == Some(77) && no_scope.1.contains("(SCOPE_REQUIRED)"), "{no_scope:?}");
    let unknown = run(&[key], &["import", &lines, "--server", &server]);
    assert!(unknown.0 == Some(64) && unknown.1.contains("give --users or --cases"), "{unknown:?}");
    let no_database = run(&[key], &["tenant", "list"]);
    assert!(no_database.0 == Some(64), "{no_database:?}");
    assert!(no_database.1.contains("the command needs --database-url <URL>"), "{no_database:?}");
}
