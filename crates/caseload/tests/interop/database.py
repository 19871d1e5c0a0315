"""The database under the system: what is in it, whichever call wrote it."""

import psycopg
from psycopg import sql

# Every column of every table of the database, those of Postgres itself included: it keeps samples of values.
# The bytes of a `bytea` are read as text as far as they are.
COLUMNS = """
SELECT
    quote_ident(nspname) || '.' || quote_ident(relname),
    attname::text,
    CASE WHEN atttypid = 'bytea'::regtype THEN format('encode(%I, ''escape'')', attname)
    ELSE format('%I::text', attname) END
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relkind IN ('r', 'p', 'm') AND attnum > 0 AND NOT attisdropped
"""
FOUND = "SELECT EXISTS (SELECT FROM {table} WHERE position({word} IN lower({text})) > 0)"


class Database:
    """A connection to the database, as its superuser."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def rows(self, query: str, *parameters: object) -> list[tuple]:
        return self.connection.execute(query, parameters or None).fetchall()

    def vacuum(self) -> None:
        """Does what docs/OPERATIONS.md says about erased users."""
        self.connection.execute("VACUUM (ANALYZE) users, idempotency_keys")

    def places_of(self, word: str) -> set[str]:
        """Returns each column of each table that has a word, in any case, in any of its values."""
        places = set()
        for table, column, text in self.rows(COLUMNS):
            parts = {"table": sql.SQL(table), "text": sql.SQL(text), "word": sql.Literal(word.lower())}
            if self.rows(sql.SQL(FOUND).format(**parts)) == [(True,)]:
                places.add(f"{table}.{column}")
        return places
