//! `tollgate validate`.

use std::path::Path;

use serde_json::json;

use super::Failure;
use super::output::{Output, clean};
use crate::config::Policy;

/// Says what is wrong with a configuration, all that can be found.
pub fn run(file: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let policy = Policy::load(file).map_err(|faults| output.faults(&faults))?;
    let name = file.map_or_else(|| "the default configuration".to_owned(), |path| path.display().to_string());
    let document = json!({ "valid": true, "faults": [], "warnings": policy.warnings, "notes": policy.sending().as_slice() });
    output.result(&document, || {
        let warnings = policy.warnings.iter().map(|warning| format!("warning: {warning}\n"));
        let notes = policy.sending().into_iter().map(|told| format!("note: {told}\n"));
        format!("{}{name} is valid.", clean(&warnings.chain(notes).collect::<String>()))
    });
    Ok(())
}
