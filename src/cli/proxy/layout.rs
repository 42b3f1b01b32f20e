//! What a proxy's configuration says, whichever proxy it is: what stands where, and what is done with which header.
//!
//! There are two forms. Where tollgate stands in front of the app, the proxy only ends TLS. Else it asks tollgate.

use http::HeaderName;

use super::address::Address;
use super::places::Places;
use crate::cli::args::ProxyArgs;
use crate::config::Policy;
use crate::domain::address::within;
use crate::domain::carrier::Carrier;
use crate::domain::time::Span;
use crate::http::response::IDENTITY;

/// What the proxy itself says to tollgate and the app, of the request that it holds.
pub const FORWARDED: [&str; 3] = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"];

/// Where apps look for the client's address, too. The proxy sets it where it asks, and the gate where it passes on.
pub const REAL_IP: &str = "X-Real-IP";

/// What an app may believe of a proxy and this one does not say: a client's own never get through.
pub const CLAIMS: [&str; 8] = [
    "Forwarded",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
];

/// All that a configuration is made of. Nothing in it can break out of its place.
#[derive(Debug)]
pub struct Layout {
    /// Who is where.
    pub places: Places,
    /// Below this lie tollgate's own paths.
    pub prefix: String,
    /// The identity headers.
    pub identity: Vec<String>,
    /// Headers of the style that a pass carries, too.
    pub on_passes: Vec<String>,
    /// Headers that the app does not get to see.
    pub removed: Vec<String>,
    /// Whether a credential travels in a header with an underscore.
    pub underscores: bool,
    /// Bytes of a body; `None`: any number.
    pub max_body_bytes: Option<u64>,
    /// Bytes of a body for tollgate itself.
    pub own_max_body_bytes: u64,
    /// Bytes of a head that tollgate reads.
    pub max_header_bytes: usize,
    /// Seconds for which an unused connection to tollgate is kept: fewer than tollgate keeps it.
    pub keep_seconds: u64,
    /// Seconds after which tollgate has answered, or never will.
    pub patience_seconds: u64,
    /// What whoever reads the configuration must know.
    pub notes: Vec<String>,
}

impl Layout {
    /// Works it out, or says what cannot stand in a configuration.
    pub fn of(args: &ProxyArgs, policy: &Policy) -> Result<Self, String> {
        let places = Places::of(args, policy)?;
        let is_before = places.app.is_none();
        let (on_passes, unspeakable) = policy.style.pass_headers().partition::<Vec<_>, _>(|name| is_plain(name));
        let mut notes = notes(policy, &places.tollgate, is_before);
        notes.extend(if is_before { notes_before(policy) } else { notes_asking(policy, &unspeakable) });
        let own_max_body_bytes = policy.server.max_body_bytes as u64;
        Ok(Self {
            places,
            prefix: policy.server.prefix.clone(),
            identity: IDENTITY.iter().map(written).collect(),
            on_passes: distinct(on_passes.into_iter().map(written)),
            // tollgate itself drops them on the way to its app.
            removed: if is_before { Vec::new() } else { removed(policy)? },
            underscores: credentials(policy).any(|name| name.as_str().contains('_')),
            // tollgate's own paths take bodies, too.
            max_body_bytes: policy.upstream.max_body_bytes.map(|most| if is_before { most.max(own_max_body_bytes) } else { most }),
            own_max_body_bytes,
            max_header_bytes: policy.server.max_header_bytes,
            keep_seconds: (policy.server.header_timeout.as_duration().as_secs() * 2 / 3).max(1),
            patience_seconds: if is_before { patience_before(policy) } else { policy.server.request_timeout.as_duration().as_secs() } + 5,
            notes,
        })
    }

    /// Headers that CGI, WSGI and their like take for one of ours: a dash and an underscore are the same to them.
    pub fn lookalikes(&self) -> Vec<String> {
        let ours = self.identity.iter().map(String::as_str).chain(FORWARDED).chain([REAL_IP, "X-Request-Id"]);
        ours.flat_map(with_underscores).collect()
    }
}

/// The headers in which a credential travels.
fn credentials(policy: &Policy) -> impl Iterator<Item = HeaderName> {
    policy.keys.carriers.iter().filter_map(|carrier| match carrier {
        Carrier::Header(name) => Some(name.clone()),
        Carrier::Query(_) => None,
        Carrier::Bearer | Carrier::BasicUser | Carrier::BasicPassword | Carrier::Scheme(_) => Some(http::header::AUTHORIZATION),
    })
}

/// What never reaches the app, and is not set anew anyway.
fn removed(policy: &Policy) -> Result<Vec<String>, String> {
    if let Some(name) = credentials(policy).find(|name| !is_plain(name)) {
        return Err(format!("keys.carriers: proxies drop a header that is named {name}: name one of letters, digits and dashes"));
    }
    let secrets = credentials(policy).filter(|_| !policy.upstream.pass_credential);
    let dropped = policy.upstream.drop_headers.iter().filter(|name| is_plain(name)).cloned();
    let set_anew = |name: &String| {
        let known = IDENTITY.iter().any(|identity| name.eq_ignore_ascii_case(identity.as_str()));
        known
            || FORWARDED
                .iter()
                .chain(&[REAL_IP, "X-Request-Id", "Host", "Connection", "Upgrade"])
                .any(|known| known.eq_ignore_ascii_case(name))
    };
    let claims = CLAIMS.iter().map(|name| (*name).to_owned());
    Ok(distinct(claims.chain(dropped.chain(secrets).map(|name| written(&name))).filter(|name| !set_anew(name))))
}

fn notes(policy: &Policy, tollgate: &Address, is_before: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(address) = tollgate.comes_from().filter(|address| !within(&policy.server.trusted_proxies, Some(*address))) {
        let otherwise = if is_before { "every client is taken for the proxy" } else { "every request is refused" };
        notes.push(format!("NOT YET: tollgate believes no proxy at {address}: add it to [server] trusted_proxies, or {otherwise}."));
    }
    if policy.server.require_https {
        notes.push("require_https is on: what comes to the proxy in plain HTTP is refused.".into());
    }
    notes
}

/// Where tollgate passes on itself.
fn notes_before(policy: &Policy) -> Vec<String> {
    let in_query = policy.keys.carriers.iter().filter(|carrier| matches!(carrier, Carrier::Query(_)));
    in_query.map(|carrier| format!("The credential of {carrier} stands in the URL: keep URLs out of the proxy's own logs.")).collect()
}

/// Where the proxy asks.
fn notes_asking(policy: &Policy, unspeakable: &[&HeaderName]) -> Vec<String> {
    let mut notes = Vec::new();
    if policy.upstream.target.is_some() {
        notes.push("--app asks for this form. auth.toml names an app in [upstream], so a proxy need not ask: without --app".into());
        notes.push("this prints the simpler one, where tollgate passes requests on itself.".into());
    }
    for carrier in policy.keys.carriers.iter().filter(|carrier| matches!(carrier, Carrier::Query(_)) && !policy.upstream.pass_credential) {
        notes.push(format!(
            "The credential of {carrier} stays in the URL, for the app and every log to see: no proxy can be trusted to cut it out."
        ));
    }
    if policy.cors.is_some() {
        notes.push("[cors]: preflights pass without a key, and the app answers them; tollgate adds nothing to the app's answers.".into());
    }
    let told = |name: &&HeaderName| format!("No proxy can be told to carry the style's header {name}: passes come without it.");
    notes.extend(unspeakable.iter().map(told));
    notes
}

/// Seconds after which tollgate has answered in front of its app, or passed on something, or never will.
fn patience_before(policy: &Policy) -> u64 {
    let seconds = |span: Span| span.as_duration().as_secs();
    let until_answered = [policy.server.request_timeout, policy.upstream.connect_timeout, policy.upstream.response_timeout];
    until_answered.into_iter().map(seconds).sum::<u64>().max(seconds(policy.upstream.idle_timeout))
}

/// A name that proxies take, and that can stand in their configuration as it is.
fn is_plain(name: &HeaderName) -> bool {
    name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && name.as_str().starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn written(name: &HeaderName) -> String {
    super::words::written(name.as_str())
}

/// Each once, in the order in which they come.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        if !seen.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            seen.push(name);
        }
    }
    seen
}

/// A name with underscores in place of some of its dashes, or all.
fn with_underscores(name: &str) -> Vec<String> {
    let mut words = name.split('-');
    let first = vec![words.next().unwrap_or_default().to_owned()];
    let joined =
        |sofar: Vec<String>, word: &str| sofar.iter().flat_map(|left| [format!("{left}-{word}"), format!("{left}_{word}")]).collect();
    let mut all: Vec<String> = words.fold(first, joined);
    all.retain(|other| other != name);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookalikes_are_all_that_are_not_the_name_itself() {
        assert_eq!(with_underscores("X-Auth-Key"), ["X-Auth_Key", "X_Auth-Key", "X_Auth_Key"]);
        assert_eq!(written(&HeaderName::from_static("x-ratelimit-limit")), "X-Ratelimit-Limit");
    }
}
