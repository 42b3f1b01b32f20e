//! The plans of the config, mirrored for whoever reads the database from outside.

use rusqlite::{Connection, params};

use crate::domain::error::Result;

/// A plan to mirror.
#[derive(Clone, Debug)]
pub struct MirroredPlan {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// All of it, as JSON.
    pub definition: String,
}

/// Makes the table say exactly this.
pub fn mirror(connection: &Connection, plans: &[MirroredPlan]) -> Result<()> {
    connection.execute("DELETE FROM plans", [])?;
    for plan in plans {
        connection.prepare_cached("INSERT INTO plans (name, title, definition) VALUES (?1, ?2, ?3)")?.execute(params![
            plan.name,
            plan.title,
            plan.definition
        ])?;
    }
    Ok(())
}
