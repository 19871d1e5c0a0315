//! docs/CONFIGURATION.md lists every option that configures a program, as `--help` describes it. The
//! arguments of single admin and migrate commands are in their `--help` only.
//!
//! `UPDATE_DOCS=1 cargo test -p caseload --test it -- configuration` writes the list anew.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use crate::support::{CASELOAD, Program, gateway_path};

const BEGIN: &str = "<!-- options: begin -->\n";
const END: &str = "<!-- options: end -->\n";

/// An option as `--help` describes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Described {
    flag: String,
    variable: String,
    default: String,
    meaning: String,
}

/// Reads the options from the text of `--help`. Each begins with a line that begins with its flag,
/// followed by its meaning, and by its variable and default in brackets.
fn read_help(help: &str) -> Vec<Described> {
    let mut blocks: Vec<(String, Vec<&str>)> = Vec::new();
    for line in help.lines() {
        let text = line.trim();
        if text.starts_with("--") && line.starts_with("      --") {
            let flag = text.split_whitespace().next().unwrap();
            blocks.push((flag.to_owned(), Vec::new()));
        } else if line.starts_with("          ") || text.is_empty() {
            if let Some((_, lines)) = blocks.last_mut() {
                lines.push(text);
            }
        } else {
            // A heading, or an option with a short flag: --help and --version.
            blocks.push((String::new(), Vec::new()));
        }
    }
    blocks
        .into_iter()
        .filter(|(flag, _)| !flag.is_empty())
        .map(|(flag, lines)| describe(flag, &lines))
        .collect()
}

fn describe(flag: String, lines: &[&str]) -> Described {
    let whole = lines.join(" ");
    let in_brackets = |name: &str| {
        let (_, rest) = whole.split_once(&format!("[{name}: "))?;
        rest.split_once(']').map(|(value, _)| value.trim_end_matches('=').to_owned())
    };
    let first_paragraph: Vec<&str> =
        lines.iter().copied().take_while(|line| !line.is_empty()).collect();
    let meaning = first_paragraph.join(" ");
    let meaning = meaning.split(" [default: ").next().unwrap().to_owned();
    Described {
        flag,
        variable: in_brackets("env").unwrap_or_default(),
        default: in_brackets("default").unwrap_or_default(),
        meaning,
    }
}

/// Returns every option that configures a program, that is, each that is also read from the
/// environment, with the commands that have it. The options of `admin` are those of the command
/// itself, and of one of its commands that needs a tenant.
fn options() -> BTreeMap<Described, Vec<&'static str>> {
    let gateway = gateway_path();
    let commands = [
        ("serve", CASELOAD, &["serve"][..]),
        ("gateway", gateway.as_str(), &[]),
        ("dev", CASELOAD, &["dev"]),
        ("migrate", CASELOAD, &["migrate"]),
        ("admin", CASELOAD, &["admin"]),
        ("admin", CASELOAD, &["admin", "user", "list"]),
        ("admin import", CASELOAD, &["admin", "import"]),
        ("tasks", CASELOAD, &["tasks", "list"]),
        ("health", CASELOAD, &["health"]),
    ];
    let mut options: BTreeMap<Described, Vec<&str>> = BTreeMap::new();
    for (name, path, args) in commands {
        let exited = Program::run(path, &[args, &["--help"]].concat());
        assert!(exited.status.success(), "{exited:?}");
        let described = read_help(&exited.stdout);
        assert!(described.len() > 2, "the help of {name} is read: {exited:?}");
        for option in described.into_iter().filter(|option| !option.variable.is_empty()) {
            let commands = options.entry(option).or_default();
            // An option of all admin commands is not listed for one of them.
            let is_listed = name.starts_with("admin ") && commands.contains(&"admin");
            if !commands.contains(&name) && !is_listed {
                commands.push(name);
            }
        }
    }
    options
}

fn table() -> String {
    let mut table =
        String::from("| option | environment | default | of | meaning |\n|---|---|---|---|---|\n");
    for (option, commands) in options() {
        let Described { flag, variable, default, meaning } = option;
        // Some defaults are values, others are described.
        let default = match (default.is_empty(), default.contains(' ')) {
            (true, _) => "–".to_owned(),
            (false, true) => default,
            (false, false) => format!("`{default}`"),
        };
        let meaning = meaning.replace('|', "\\|");
        let commands = commands.join(", ");
        table += &format!("| `{flag}` | `{variable}` | {default} | {commands} | {meaning} |\n");
    }
    table
}

#[test]
fn the_documented_options_are_those_of_the_help_texts() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/CONFIGURATION.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the begin of the list");
    let (documented, after) = rest.split_once(END).expect("the end of the list");
    let table = table();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        documented.trim(),
        table.trim(),
        "update with UPDATE_DOCS=1 cargo test -p caseload --test it -- configuration"
    );
}

#[test]
fn options_are_read_from_a_help_text() {
    let help = "\
Usage: x [OPTIONS]

Options:
      --key-rate <RATE[:BURST]>
          The calls a second; each server
          counts for itself [default: no limit]
          
          [env: X_KEY_RATE=]

  -h, --help
          Print help

Database:
      --url <URL>
          The database

          More about it
          
          [env: X_URL]
          [default: postgresql://]
";
    let option = |flag: &str, variable: &str, default: &str, meaning: &str| Described {
        flag: flag.to_owned(),
        variable: variable.to_owned(),
        default: default.to_owned(),
        meaning: meaning.to_owned(),
    };
    assert_eq!(
        read_help(help),
        [
            option(
                "--key-rate",
                "X_KEY_RATE",
                "no limit",
                "The calls a second; each server counts for itself"
            ),
            option("--url", "X_URL", "postgresql://", "The database"),
        ]
    );
}
