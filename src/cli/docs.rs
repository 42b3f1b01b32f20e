//! `tollgate docs`.

use serde_json::json;

use super::args::DocsArgs;
use super::output::Output;
use crate::config::Policy;
use crate::docs::{Assets, Place, page};
use crate::http::openapi::document;
use crate::http::reference::reference;

/// Prints the authentication page of a configuration, or the reference beside it: as Markdown, or as one HTML file.
pub fn run(args: &DocsArgs, policy: &Policy, output: &Output) {
    let page = if args.reference { reference(policy, &document(policy)) } else { page(policy) };
    let (name, text) = if args.html { ("html", page.html(&Assets::of(policy), Place::File)) } else { ("markdown", page.markdown()) };
    output.result(&json!({ "title": page.title, name: text }), || text.clone());
}
