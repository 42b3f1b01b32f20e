//! A site with everything that its pages can show, people on it, and what holds for each of its pages.

use std::path::PathBuf;

use serde_json::json;

use super::driver::{Browser, Setup};
use super::support::person::PASSWORD;
use super::support::smtp::Setup as Post;
use super::support::{Smtp, Stage};

pub const CONFIG: &str = r#"
[keys]
limits = [{ name = "minute", minimum = 1, maximum = 1000 }]

[[plans]]
name = "free"
default = true
limits = [{ requests = 100, per = "minute" }, { requests = 1000, per = "day" }]
"#;

/// What makes a page wider than the screen, if anything does.
const WIDE: &str = "const page = document.documentElement;
    if (page.scrollWidth <= page.clientWidth) return null;
    const sticks_out = element => element.getBoundingClientRect().right > page.clientWidth && !element.closest('.scroll, .skip');
    return [...document.querySelectorAll('body *')].filter(sticks_out).map(element => element.outerHTML.slice(0, 200));";

/// With a mail server, an agreement to accept, and a plan that is granted by review.
pub fn whole() -> (Smtp, Stage) {
    let smtp = Smtp::new(Post::plain());
    let more = format!(
        "[mail]\nsmtp_url = \"{}\"\nfrom = \"noreply@example.com\"\n[sign_in.agreement]\nversion = \"2026-1\"\n\
         [[plans]]\nname = \"partner\"\nreview = true\nlimits = [{{ requests = 7777, per = \"minute\" }}]\n",
        smtp.url()
    );
    let stage = Stage::with(&format!("{CONFIG}{more}"));
    (smtp, stage)
}

/// Where a link leads that was mailed, as this browser's own address has it.
pub fn path_of(link: &str) -> String {
    let (_, rest) = link.split_once("://").expect("a URL");
    rest[rest.find('/').expect("it has a path")..].to_owned()
}

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
    enter(&browser, &email);
    browser.see("API keys");
    browser
}

/// Signs in on the page that asks for it.
pub fn enter(browser: &Browser, email: &str) {
    browser.see("Password");
    let label = if browser.text().contains("E-mail or phone") { "E-mail or phone" } else { "E-mail" };
    browser.fill(label, email);
    browser.fill("Password", PASSWORD);
    browser.press("Sign in");
}

impl Browser {
    /// Holds a page against what every page must keep, wide and narrow, light and dark, and takes its picture each time; answers
    /// what is wrong with it.
    pub fn inspect(&self, name: &str) -> Vec<String> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let mut wrong = Vec::new();
        for (is_dark, width) in [(false, 1100), (true, 1100), (false, 360), (true, 360)] {
            self.look(is_dark, width);
            let told = format!("{name}-{width}-{}", if is_dark { "dark" } else { "light" });
            std::fs::write(folder.join(format!("{told}.png")), self.picture()).expect("a picture can be written");
            let wide = self.script(WIDE);
            if wide != json!(null) {
                wrong.push(format!("{told}: wider than the screen: {wide}"));
            }
            wrong.extend(self.barriers().into_iter().map(|barrier| format!("{told}: {barrier}")));
        }
        self.look(false, 1100);
        wrong.extend(self.complaints().into_iter().map(|complaint| format!("{name}: {complaint}")));
        wrong
    }
}
