//! The dashboard, as a browser without a script sees it.

mod agreement;
mod brand;
mod closing;
mod entry;
mod every_route;
mod exports;
mod first;
mod keys;
mod linking;
mod operator;
mod organization;
mod overview;
mod plan;
mod profile;
mod providers;
mod register;
mod system;
mod told;
mod usage;
mod weights;

use serde_json::json;

use crate::support::browser::{Browser, Page};
use crate::support::person::{PASSWORD, Person};
use crate::support::{Request, Stage};

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

/// The session of a browser goes on for another account, as if by another tab.
#[track_caller]
pub fn go_on_for(stage: &Stage, browser: &Browser<'_>, account: &str) {
    let cookie = browser.cookies.iter().find(|((name, _), _)| name == "refresh_token").map(|(_, value)| value.clone()).expect("a cookie");
    let refresh = Request::post("/auth/v1/auth/refresh", &json!({})).header("Cookie", &format!("refresh_token={cookie}"));
    let refreshed = stage.server.send(&refresh).expect(200).json();
    let switch = Request::post("/auth/v1/auth/switch", &json!({ "account": account }));
    stage.server.send(&switch.bearer(refreshed["access_token"].as_str().expect("a token"))).expect(200);
}

/// Changes the running server's database, as time would.
#[track_caller]
pub fn alter(stage: &Stage, sql: &str) {
    let database = rusqlite::Connection::open(stage.folder.database()).expect("a database");
    database.busy_timeout(std::time::Duration::from_secs(10)).expect("a time-out");
    database.execute_batch(sql).expect("sound SQL");
}

/// A row of the dashboard's table.
#[derive(Debug)]
pub struct Route {
    pub method: String,
    /// Below the prefix, with ids in braces.
    pub path: String,
    pub access: String,
}

/// All rows, as the source has them.
pub fn routes() -> Vec<Route> {
    let table = include_str!("../../src/http/endpoints.rs").split_once("DASHBOARD (Dashboard):").expect("its table").1;
    let rows = table.lines().map(str::trim).take_while(|line| !line.starts_with('}')).filter(|line| line.contains("=>"));
    let routes: Vec<_> = rows
        .map(|line| {
            let mut words = line.split_whitespace().map(|word| word.trim_matches('"').to_owned());
            let mut next = || words.next().expect("method, path, access");
            Route { method: next(), path: next(), access: next() }
        })
        .collect();
    assert!(routes.len() > 110, "{}", routes.len());
    routes
}
