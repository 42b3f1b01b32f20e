//! The dashboard, as a browser without a script sees it.

mod brand;
mod entry;
mod keys;
mod providers;
mod register;

use crate::support::Stage;
use crate::support::browser::{Browser, Page};
use crate::support::person::{PASSWORD, Person};

/// Passwords that are hashed quickly.
pub const QUICK: &str = "[sign_in.passwords]\nmemory_kib = 4096\npasses = 1\nqueue = 1000\n";

/// A browser in which somebody is signed in, on the first page.
#[track_caller]
pub fn signed_in<'s>(stage: &'s Stage, person: &Person<'_>) -> (Browser<'s>, Page) {
    let mut browser = Browser::new(stage);
    let page = browser.open("/auth/").says(200, "Sign in");
    let page = browser.send(&page, "sign-in", &[("who", &person.email), ("password", PASSWORD)]).says(200, "Sign out");
    (browser, page)
}
