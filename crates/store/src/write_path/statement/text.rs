//! The texts of the statement, around their parameters.

use std::sync::LazyLock;

/// The text for statements without idempotency keys, split at its parameters.
pub(super) static CREATE: LazyLock<Vec<String>> =
    LazyLock::new(|| split(include_str!("create.sql")));

/// The text for statements with idempotency keys, split at its parameters.
pub(super) static CREATE_IDEMPOTENT: LazyLock<Vec<String>> =
    LazyLock::new(|| split(include_str!("create_idempotent.sql")));

/// Removes comments, blank lines and indentation, and splits the text at its parameters (`$1`, …),
/// which must be in order.
fn split(sql: &str) -> Vec<String> {
    let mut text = String::new();
    for line in sql.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with("--") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.split('$')
        .enumerate()
        // Each piece but the first begins with the number of the parameter before it.
        .map(|(index, piece)| {
            if index == 0 { piece } else { piece.trim_start_matches(|c: char| c.is_ascii_digit()) }
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = include_str!("create.sql");
    const IDEMPOTENT: &str = include_str!("create_idempotent.sql");

    /// The condition that only a text with keys has: that the batch's key is new.
    const IS_NEW: &str = "
            AND (
                SELECT used.key
                FROM idempotency_keys AS used
                WHERE used.tenant_id = b.tenant_id
                    AND used.key = (
                        SELECT k.key FROM idempotency_key AS k WHERE k.batch_no = b.first_task
                    )
            ) IS NULL";

    /// The parts of a text: its common table expressions, each with its name, and what follows them.
    fn parts(sql: &str) -> Vec<(&str, String)> {
        let is_comment = |line: &str| line.trim_start().starts_with("--");
        let code = sql.lines().filter(|line| !line.is_empty() && !is_comment(line));
        let mut parts: Vec<(&str, String)> = Vec::new();
        for line in code {
            let line = line.strip_prefix("WITH ").unwrap_or(line);
            let line = line.strip_prefix("RECURSIVE ").unwrap_or(line);
            let expression = line.strip_suffix(" (").and_then(|line| line.split_once(" AS"));
            let name = match expression {
                Some((name, _)) if !name.starts_with(' ') => Some(name),
                _ => line.starts_with("SELECT").then_some(""),
            };
            match (name, parts.last_mut()) {
                (Some(name), _) => {
                    parts.push((name, line.strip_prefix(name).unwrap().to_owned()));
                }
                (None, Some((_, text))) => {
                    text.push('\n');
                    text.push_str(line);
                }
                (None, None) => panic!("{line} is in no part"),
            }
        }
        parts
    }

    #[test]
    fn each_text_has_its_parameters_once_and_in_order() {
        for (sql, pieces, count) in [(PLAIN, &*CREATE, 5), (IDEMPOTENT, &*CREATE_IDEMPOTENT, 10)] {
            let code: String = sql.lines().filter(|line| !line.starts_with("--")).collect();
            let numbers: Vec<String> = code
                .split('$')
                .skip(1)
                .map(|piece| piece.chars().take_while(char::is_ascii_digit).collect())
                .collect();
            assert_eq!(numbers, (1..=count).map(|n: u8| n.to_string()).collect::<Vec<_>>());
            assert_eq!(pieces.len(), numbers.len() + 1);
            assert!(pieces[1].starts_with("::task_batch[])"), "{}", pieces[1]);
            assert!(!pieces.concat().contains("--"));
        }
        assert!(!CREATE.concat().contains("idempotency"));
    }

    #[test]
    fn what_stands_in_both_texts_is_the_same_in_both() {
        let (plain, idempotent) = (parts(PLAIN), parts(IDEMPOTENT));
        let names = |parts: &[(&'static str, String)]| {
            parts.iter().map(|(name, _)| *name).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&plain),
            ["batch", "task", "email", "accepted", "created", "assigned", "result", "event", ""]
        );
        assert_eq!(
            names(&idempotent),
            [
                "batch",
                "task",
                "email",
                "idempotency_key",
                "valid",
                "recorded",
                "accepted",
                "created",
                "assigned",
                "result",
                "event",
                ""
            ]
        );
        let text_of = |parts: &[(&str, String)], name: &str| {
            parts.iter().find(|(other, _)| *other == name).unwrap().1.clone()
        };
        let batch = text_of(&idempotent, "batch");
        assert!(batch.contains(IS_NEW), "{batch}");
        assert_eq!(text_of(&plain, "batch"), batch.replace(IS_NEW, ""));
        for name in ["task", "email", "created", "assigned", "result", "event", ""] {
            assert_eq!(text_of(&plain, name), text_of(&idempotent, name), "{name}");
        }
        // `accepted` in create.sql is `valid` in create_idempotent.sql, which then filters by key.
        assert_eq!(text_of(&plain, "accepted"), text_of(&idempotent, "valid"));
    }
}
