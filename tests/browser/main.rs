//! A person with a browser: Chromium, headless, over WebDriver, against the real binary. Every test is ignored but by `tests/browse`,
//! which brings Chromium and axe-core.

#[allow(dead_code, unused_imports)]
#[path = "../blackbox/support/mod.rs"]
mod support;

mod driver;
mod journeys;
mod keys;
mod looks;
mod site;
