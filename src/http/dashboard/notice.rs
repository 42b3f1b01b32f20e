//! A page that says one thing, and where to go from there.

use askama::Template;
use http::StatusCode;

use super::shell::Shell;
use super::show::discreet;
use crate::http::request::Call;
use crate::http::response::Response;

/// Where a page leads.
struct Way {
    href: String,
    label: String,
}

/// What a page says. Of its ways the first is the main one.
pub struct Notice<'c> {
    call: &'c Call,
    s: Shell,
    heading: String,
    text: String,
    ways: Vec<Way>,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage<'a> {
    s: &'a Shell,
    heading: &'a str,
    text: &'a str,
    ways: &'a [Way],
}

impl<'c> Notice<'c> {
    /// With a heading and a sentence.
    pub fn new(call: &'c Call, say: impl FnOnce(&Shell) -> (String, String)) -> Self {
        let s = Shell::discreet(call);
        let (heading, text) = say(&s);
        Self { call, s, heading, text, ways: Vec::new() }
    }

    /// And a way on.
    pub fn way(mut self, href: impl Into<String>, label: impl FnOnce(&Shell) -> String) -> Self {
        let label = label(&self.s);
        self.ways.push(Way { href: href.into(), label });
        self
    }

    /// The way to where people go on to once they are done here, where the configuration has one.
    pub fn onward(self) -> Self {
        match &self.call.front.services.policy.sign_in.links.app {
            Some(app) => {
                let app = app.clone();
                self.way(app, |s| s.with("shell.onward", &s.service))
            }
            None => self,
        }
    }

    /// The way to a page of the dashboard.
    pub fn to(self, page: &str, label: impl FnOnce(&Shell) -> String) -> Self {
        let href = format!("{}{page}", self.s.root);
        self.way(href, label)
    }

    /// The page.
    pub fn show(self, status: StatusCode) -> Response {
        let page = NoticePage { s: &self.s, heading: &self.heading, text: &self.text, ways: &self.ways };
        discreet(self.call, &self.s, status, &page)
    }
}
