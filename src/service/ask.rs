//! What the gate is asked about.

use std::net::IpAddr;

use http::HeaderMap;

use crate::domain::path::Ambiguous;

/// What the gate is asked about.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The request's id, for the log.
    pub request_id: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// Its path, as sent. Without one no route applies.
    pub path: Option<&'a str>,
    /// Its query, as sent.
    pub query: Option<&'a str>,
    /// Where its credential is.
    pub credential: Credential<'a>,
    /// The client's address, as far as it is known.
    pub client: Result<Option<IpAddr>, Ambiguous>,
    /// Whether the client spoke HTTPS; `None` where that does not matter.
    pub is_https: Option<Result<bool, Ambiguous>>,
    /// Whether a browser asks what a page may send (Fetch standard): such a request never carries a credential.
    pub is_preflight: bool,
    /// The one account whose keys the asker may know of: every other is unknown.
    pub only: Option<&'a str>,
    /// What the asker wants beyond the route.
    pub wants: Wants<'a>,
    /// What to do about it.
    pub mode: Mode,
}

/// Where a credential is.
#[derive(Debug)]
pub enum Credential<'a> {
    /// In the request, wherever the carriers say.
    In(&'a HeaderMap),
    /// A key, as somebody took it out of a request.
    Key(&'a str),
    /// A user's access token, as somebody took it out of a request.
    Token(&'a str),
    /// There is none.
    None,
}

/// What an asker wants beyond the route.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants<'a> {
    /// All of these scopes.
    pub scopes: &'a [String],
    /// One of these plans; none given: any.
    pub plans: &'a [String],
    /// Another cost than the route's.
    pub cost: Option<u64>,
    /// Other tokens than the route's.
    pub tokens: Option<u64>,
}

/// What to do about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Decide and charge.
    Charge,
    /// Decide, and charge nothing.
    Look,
    /// Say who it is, on any plan, whatever is left; charge nothing.
    WhoAmI,
}
