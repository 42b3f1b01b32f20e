//! The dashboard: what a person does in a browser, page by page, over the same services as the admin API and with no rule of its own.
//! Plain HTML that works without a script; `dashboard.js` makes it nicer. `shell.rs` is what every page stands in, `form.rs` the only way to
//! read what one sends, `words` all that they say.

mod agent;
pub mod agreement;
pub mod applications;
pub mod brand;
mod chart;
mod cut;
mod download;
mod entry;
mod failed;
pub mod first;
pub mod forgot;
mod form;
mod go_on;
pub mod keys;
pub mod mailed;
mod menu;
mod notice;
pub mod operator;
pub mod organization;
pub mod overview;
pub mod plan;
mod posted;
pub mod profile;
mod providers;
mod qr;
pub mod refused;
pub mod register;
pub mod second_factor;
mod session;
mod shell;
mod show;
pub mod system;
pub mod usage;
mod words;

pub use brand::Brand;
pub use entry::{enter, sign_in, sign_out, to_start};
pub use failed::{failed, nothing_here, too_slow, wrong_method};
pub use profile::linking::ends_at as linking_ends_at;
pub use providers::refused as refused_by_provider;
pub use session::{admit, admit_administrator, let_in, within};
pub use shell::Shell;
pub use show::{guard_discreetly, script, style_sheet};

use super::request::Call;

/// What a parameter of the query says; nothing where there is more than one.
fn given(call: &Call, name: &str) -> Option<String> {
    parameter(call, name).ok().flatten()
}

/// There is more than one.
struct Twice;

/// A parameter of the query. Others are not looked at: programs that handle mails add theirs to links.
fn parameter(call: &Call, name: &str) -> Result<Option<String>, Twice> {
    let query = call.parts.uri.query().unwrap_or_default();
    let mut given = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
    let first = given.next().map(|(_, text)| text.into_owned());
    if given.next().is_some() { Err(Twice) } else { Ok(first) }
}
