//! A site with everything that its pages can show, people on it, and what holds for each of its pages.

use std::path::PathBuf;

use serde_json::json;

use super::driver::{Browser, Setup};
use super::support::Stage;
use super::support::person::PASSWORD;

pub const CONFIG: &str = r#"
[keys]
limits = [{ name = "minute", minimum = 1, maximum = 1000 }]

[[plans]]
name = "free"
default = true
limits = [{ requests = 100, per = "minute" }, { requests = 1000, per = "day" }]
"#;

/// Makes a user who has proven their address.
pub fn user(stage: &Stage, name: &str) -> String {
    let email = format!("{name}@example.com");
    let settings = json!({ "email": email, "name": name, "password": PASSWORD, "verified": true });
    stage.post("/users", &settings).expect(201);
    email
}

/// Somebody new at the dashboard, signed in.
pub fn signed_in(stage: &Stage, setup: Setup, name: &str) -> Browser {
    let email = user(stage, name);
    let browser = Browser::new(setup, &stage.server.address);
    browser.open("/auth/");
    browser.fill("E-mail or phone", &email);
    browser.fill("Password", PASSWORD);
    browser.press("Sign in");
    browser.see("API keys");
    browser
}

impl Browser {
    /// Holds a page against what every page must keep, wide and narrow, light and dark, and takes its picture each time.
    #[track_caller]
    pub fn inspect(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        for (is_dark, width) in [(false, 1100), (true, 1100), (false, 360), (true, 360)] {
            self.look(is_dark, width);
            let told = format!("{name}-{width}-{}", if is_dark { "dark" } else { "light" });
            std::fs::write(folder.join(format!("{told}.png")), self.picture()).expect("a picture can be written");
            let overflow = self.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert_eq!(overflow, json!(0), "{told}: it is wider than the screen");
            assert_eq!(self.barriers(), [""; 0], "{told}");
        }
        self.look(false, 1100);
        assert_eq!(self.complaints(), [""; 0], "{name}");
    }
}
