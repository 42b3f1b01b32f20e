//! The authentication page: served, printed, and true. Each example's page is held against what its server does.

mod answers;
mod own;
mod page;
mod pasted;
mod served;

use std::path::{Path, PathBuf};

use crate::support::{Request, Server};

/// An API of `examples/`, and what a test has to know of it.
pub struct Api {
    pub name: &'static str,
    /// How a request carries a key.
    pub carry: fn(&str) -> (&'static str, String),
    /// A plan whose keys may call.
    pub plan: &'static str,
    /// A plan, and a path that it does not include.
    pub poor: Option<(&'static str, &'static str)>,
    /// Whether an empty balance refuses.
    pub needs_balance: bool,
    /// Each limit of the plan, and how much it lets through.
    pub limits: &'static [(&'static str, u64)],
    /// A path that needs a scope.
    pub scoped: Option<&'static str>,
    /// What reserved keys begin with.
    pub reserved: Option<&'static str>,
    /// Below this lies sign-in.
    pub base_path: &'static str,
}

fn bearer(key: &str) -> (&'static str, String) {
    ("Authorization", format!("Bearer {key}"))
}

const HOURLY: &[(&str, u64)] = &[("hour", 100), ("day", 1000)];

/// All of them; that none is missing is held by a test.
pub const APIS: [Api; 5] = [
    Api {
        name: "elumenta",
        carry: bearer,
        plan: "vip",
        poor: Some(("pro", "/x")),
        needs_balance: true,
        limits: HOURLY,
        scoped: None,
        reserved: None,
        base_path: "/api/v2",
    },
    Api {
        name: "neuralbox",
        carry: bearer,
        plan: "vip",
        poor: Some(("pro", "/x")),
        needs_balance: true,
        limits: HOURLY,
        scoped: None,
        reserved: None,
        base_path: "/api/v2",
    },
    Api {
        name: "elestrals",
        carry: bearer,
        plan: "free",
        poor: Some(("free", "/v1/partner/x")),
        needs_balance: false,
        limits: &[("minute", 60), ("month", 100_000)],
        scoped: None,
        reserved: Some("elestrals_test_"),
        base_path: "/auth/v1",
    },
    Api {
        name: "lumyx",
        carry: bearer,
        plan: "developer",
        poor: None,
        needs_balance: true,
        limits: &[("minute", 60), ("day", 1000)],
        scoped: Some("/v1/models"),
        reserved: None,
        base_path: "/auth/v1",
    },
    Api {
        name: "ilumiera",
        carry: |key| ("api-key", key.to_owned()),
        plan: "standard",
        poor: None,
        needs_balance: false,
        limits: &[("minute", 100)],
        scoped: None,
        reserved: None,
        base_path: "/auth/v1",
    },
];

impl Api {
    pub fn config(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(self.name).join("auth.toml")
    }

    /// A request that carries a key.
    pub fn request(&self, path: &str, key: &str) -> Request {
        let (name, value) = (self.carry)(key);
        Request::get(path).header(name, &value)
    }
}

#[test]
fn every_example_is_held_here() {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap();
    let count = entries.filter(|entry| entry.as_ref().unwrap().path().join("auth.toml").is_file()).count();
    assert_eq!(count, APIS.len());
}

/// The page as Markdown.
#[track_caller]
pub fn markdown(server: &Server) -> String {
    server.send(&Request::get("/auth/docs.md")).expect(200).body
}

/// What stands in a section, by its heading.
#[track_caller]
pub fn section<'t>(text: &'t str, title: &str) -> &'t str {
    let begin = format!("\n## {title}\n");
    let rest = text.split_once(&begin).unwrap_or_else(|| panic!("there is no section '{title}' in {text}")).1;
    rest.split("\n## ").next().unwrap_or_default()
}

/// The code blocks of a language.
pub fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}
