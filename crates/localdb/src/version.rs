//! Major versions of Postgres.

/// The oldest supported major version.
pub(crate) const OLDEST_MAJOR: u32 = 14;

/// Reads the major version from the output of `postgres --version`, such as
/// `postgres (PostgreSQL) 15.18 (Debian …)`.
pub(crate) fn parse(printed: &str) -> Option<u32> {
    leading_number(printed.split_once("(PostgreSQL) ")?.1)
}

/// Reads the number that a text begins with.
pub(crate) fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(parse(debian), Some(15));
        assert_eq!(parse("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse("postgres (PostgreSQL) devel\n"), None);
        assert_eq!(parse(""), None);
    }
}
