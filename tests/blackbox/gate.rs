//! The gate over HTTP: where a credential may be, which verdict comes first, what a path and a proxy may say, routes,
//! forward-auth, `verify`, and how a verdict is told by default.

mod carriers;
mod forward_auth;
mod order;
mod paths;
mod proxies;
mod queries;
mod responses;
mod routes;
mod verify;
mod wire;

use crate::support::{Reply, Request};

/// One plan with room for every test.
const FREE: &str = r#"
[[plans]]
name = "free"
title = "Free"
limits = [{ name = "decade", requests = 100000, per = "3650d", shape = "fixed" }]
"#;

/// A key that may be used from here only, and what a proxy says of clients there and elsewhere.
const HOME_RANGE: &str = "203.0.113.0/24";
const HOME: &str = "203.0.113.5";
const AWAY: &str = "198.51.100.7";

/// The identity headers.
const IDENTITY: [&str; 6] = ["X-Auth-Account", "X-Auth-Key", "X-Auth-User", "X-Auth-Plan", "X-Auth-Scopes", "X-Auth-Verdict"];

/// A request with these headers.
fn told_by(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// An RFC 9457 problem document that tells its status and its request.
#[track_caller]
fn assert_problem(reply: &Reply) {
    assert_eq!(reply.header("Content-Type").as_deref(), Some("application/problem+json"), "{reply:?}");
    let body = reply.json();
    assert_eq!(body["status"], reply.status, "{reply:?}");
    assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{reply:?}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{reply:?}");
    assert_eq!(body["request_id"].as_str(), reply.header("X-Request-Id").as_deref(), "{reply:?}");
}
