//! `tollgate openapi`.

use super::output::Output;
use crate::config::Policy;
use crate::http::openapi::document;

/// Prints the OpenAPI document of a configuration, which is JSON for people too.
pub fn run(policy: &Policy, output: &Output) {
    output.document(&document(policy));
}
