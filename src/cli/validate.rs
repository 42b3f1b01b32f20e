//! `tollgate validate`.

use std::path::Path;

use serde_json::json;

use super::Failure;
use super::output::Output;
use crate::config::Policy;

/// Says what is wrong with a configuration, all that can be found.
pub fn run(file: Option<&Path>, output: &Output) -> Result<(), Failure> {
    Policy::load(file).map_err(|faults| output.faults(&faults))?;
    let name = file.map_or_else(|| "the default configuration".to_owned(), |path| path.display().to_string());
    output.result(&json!({ "valid": true, "faults": [] }), || format!("{name} is valid."));
    Ok(())
}
