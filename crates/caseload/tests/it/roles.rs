//! The database's roles (`deploy/roles.sql`): the programs work with exactly the privileges that
//! docs/OPERATIONS.md lists, and the roles have no others.

mod fixture;
mod grants;
mod missing_grants;
mod passwords;
mod row_level_security;
mod service;
mod setup;
