//! What a proxy's configuration says, whichever proxy it is: what stands where, and what is done with which header.

use http::{HeaderName, Uri};

use super::address::{Address, Public, server_name};
use crate::cli::args::ProxyArgs;
use crate::config::Policy;
use crate::domain::address::within;
use crate::domain::carrier::Carrier;
use crate::http::response::IDENTITY;

/// Where an app is that nobody named.
const USUAL_APP: &str = "http://127.0.0.1:3000";

/// What the proxy itself says to tollgate and the app, of the request that it holds.
pub const FORWARDED: [&str; 3] = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"];

/// What an app may believe of a proxy and this one does not say: a client's own never get through.
const CLAIMS: [&str; 9] = [
    "Forwarded",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Real-IP",
];

/// All that a configuration is made of. Nothing in it can break out of its place.
#[derive(Debug)]
pub struct Layout {
    /// tollgate.
    pub tollgate: Address,
    /// The app.
    pub app: Address,
    /// Below this lie tollgate's own paths.
    pub prefix: String,
    /// Where the proxy listens, where somebody said.
    pub listen: Option<Public>,
    /// What clients call it.
    pub name: Option<String>,
    /// Whether they do so in HTTPS, as far as anybody said.
    pub is_https: bool,
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
        let tollgate = Address::of_listener(&policy.server.listen)?;
        let app = match (&args.app, &policy.upstream.target) {
            (Some(text), _) => Address::of_app(text)?,
            (None, Some(target)) => Address::of_app(&target.to_string())?,
            (None, None) => Address::of_app(USUAL_APP)?,
        };
        let (name, is_https) = match &args.name {
            Some(text) => {
                (Some(server_name(text).ok_or_else(|| format!("--name: '{text}' is no host name: write api.example.com"))?), true)
            }
            None => public_name(&policy.server.public_url)?,
        };
        let (on_passes, unspeakable) = policy.style.pass_headers().partition::<Vec<_>, _>(|name| is_plain(name));
        let mut notes = notes(policy, &tollgate);
        notes.extend(
            unspeakable.iter().map(|name| format!("No proxy can be told to carry the style's header {name}: passes come without it.")),
        );
        Ok(Self {
            tollgate,
            app,
            prefix: policy.server.prefix.clone(),
            listen: args.listen.as_deref().map(Public::parse).transpose()?,
            name,
            is_https,
            identity: IDENTITY.iter().map(written).collect(),
            on_passes: distinct(on_passes.into_iter().map(written)),
            removed: removed(policy)?,
            underscores: credentials(policy).any(|name| name.as_str().contains('_')),
            max_body_bytes: policy.upstream.max_body_bytes,
            max_header_bytes: policy.server.max_header_bytes,
            keep_seconds: (policy.server.header_timeout.as_duration().as_secs() * 2 / 3).max(1),
            patience_seconds: policy.server.request_timeout.as_duration().as_secs() + 5,
            notes,
        })
    }

    /// Headers that CGI, WSGI and their like take for one of ours: a dash and an underscore are the same to them.
    pub fn lookalikes(&self) -> Vec<String> {
        let ours = self.identity.iter().map(String::as_str).chain(FORWARDED).chain(["X-Request-Id"]);
        ours.flat_map(with_underscores).collect()
    }
}

/// The name that clients call, and whether they do so in HTTPS. A bare address is no name.
fn public_name(url: &str) -> Result<(Option<String>, bool), String> {
    let Some(uri) = Some(url).filter(|url| !url.is_empty()).and_then(|url| url.parse::<Uri>().ok()) else { return Ok((None, false)) };
    let host = uri.host().unwrap_or_default();
    if host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() {
        return Ok((None, false));
    }
    let name = server_name(host).ok_or_else(|| format!("[server] public_url: '{host}' is no host name: write https://api.example.com"))?;
    Ok((Some(name), uri.scheme_str() == Some("https")))
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
        known || FORWARDED.iter().chain(&["X-Request-Id", "Host", "Connection", "Upgrade"]).any(|known| known.eq_ignore_ascii_case(name))
    };
    let claims = CLAIMS.iter().map(|name| (*name).to_owned());
    Ok(distinct(claims.chain(dropped.chain(secrets).map(|name| written(&name))).filter(|name| !set_anew(name))))
}

fn notes(policy: &Policy, tollgate: &Address) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(address) = tollgate.comes_from().filter(|address| !within(&policy.server.trusted_proxies, Some(*address))) {
        notes.push(format!(
            "NOT YET: tollgate believes no proxy at {address}: add it to [server] trusted_proxies, or every request is refused."
        ));
    }
    if policy.upstream.target.is_some() {
        notes.push("auth.toml names an app in [upstream]: tollgate passes requests on itself, and a proxy need not ask it.".into());
    }
    for carrier in policy.keys.carriers.iter().filter(|carrier| matches!(carrier, Carrier::Query(_)) && !policy.upstream.pass_credential) {
        notes.push(format!(
            "The credential of {carrier} stays in the URL, for the app and every log to see: no proxy can be trusted to cut it out."
        ));
    }
    if policy.cors.is_some() {
        notes.push("[cors]: preflights pass without a key, and the app answers them; tollgate adds nothing to the app's answers.".into());
    }
    if policy.server.require_https {
        notes.push("require_https is on: what comes to the proxy in plain HTTP is refused.".into());
    }
    notes
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
