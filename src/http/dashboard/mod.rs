//! The dashboard: what a person does in a browser, page by page, over the same services as the admin API and with no rule of its own.
//! Plain HTML that works without a script; `page.js` makes it nicer. `shell.rs` is what every page stands in, `form.rs` the only way to
//! read what one sends, `words` all that they say.

mod agent;
pub mod agreement;
pub mod applications;
mod chart;
mod entry;
mod failed;
mod form;
pub mod keys;
pub mod operator;
pub mod organization;
pub mod plan;
pub mod profile;
mod qr;
mod session;
mod shell;
mod show;
pub mod usage;
pub mod usage_csv;
mod words;

pub use entry::{enter, second_factor, second_factor_entered, sign_in, sign_out, to_start};
pub use failed::{failed, wrong_method};
pub use session::{admit, admit_administrator};
pub use shell::Shell;
pub use show::{script, style_sheet};
