//! Where tollgate, the app and the proxy are, and what the proxy is called. All that is wrong with it is told at once.

use http::Uri;

use super::address::{Address, Public, USUAL_PORT, server_name};
use crate::cli::args::ProxyArgs;
use crate::config::Policy;
use crate::config::policy::Listen;
use crate::config::upstream::{Target, is_itself};

/// Where an app is that nobody named.
const USUAL_APP: &str = "http://127.0.0.1:3000";

/// Who is where.
#[derive(Debug)]
pub struct Places {
    /// tollgate.
    pub tollgate: Address,
    /// The app, where the proxy passes on to it. `None`: tollgate does, and everything goes to tollgate.
    pub app: Option<Address>,
    /// Where the proxy listens, where somebody said.
    pub listen: Option<Public>,
    /// What clients call it.
    pub name: Option<String>,
    /// Whether they do so in HTTPS, as far as anybody said.
    pub is_https: bool,
}

impl Places {
    /// Reads them, or says what cannot stand in a configuration.
    pub fn of(args: &ProxyArgs, policy: &Policy) -> Result<Self, String> {
        let own = &policy.server.listen;
        let mut faults = Vec::new();
        let tollgate = kept(&mut faults, Address::of_listener(own));
        let app = kept(&mut faults, app(args, policy));
        let listen = kept(&mut faults, args.listen.as_deref().map(Public::parse).transpose());
        let name = kept(&mut faults, name(args, policy));
        if let Some(listen) = &listen {
            let at = listen.clone().unwrap_or(Public { host: None, port: USUAL_PORT });
            faults.extend(round_trip(args, policy, &at));
            faults.extend(is_taken(&at, listen.is_some(), own));
        }
        match (tollgate, app, listen, name) {
            (Some(tollgate), Some(app), Some(listen), Some((name, is_https))) if faults.is_empty() => {
                Ok(Self { tollgate, app, listen, name, is_https })
            }
            _ if faults.len() == 1 => Err(faults.concat()),
            _ => Err(faults.iter().map(|fault| format!("\n  {fault}")).collect()),
        }
    }
}

fn kept<T>(faults: &mut Vec<String>, read: Result<T, String>) -> Option<T> {
    read.map_err(|fault| faults.push(fault)).ok()
}

fn app(args: &ProxyArgs, policy: &Policy) -> Result<Option<Address>, String> {
    match (&args.app, &policy.upstream.target) {
        (Some(text), _) => Address::of_app(text).map(Some),
        (None, Some(_)) => Ok(None),
        (None, None) => Address::of_app(USUAL_APP).map(Some),
    }
}

/// Each request would go round for ever.
fn round_trip(args: &ProxyArgs, policy: &Policy, listen: &Public) -> Option<String> {
    let own = &policy.server.listen;
    let (says, app) = match (&args.app, &policy.upstream.target) {
        (None, Some(target)) => ("[upstream] url", target.clone()),
        (named, _) => ("--app", Target::parse(named.as_deref().unwrap_or(USUAL_APP)).ok()?),
    };
    let is_tollgate = is_itself(&app, own) || matches!((&app, own), (Target::Unix(app), Listen::Unix(own)) if is_same(app, own));
    if is_tollgate {
        return Some(format!("{says}: {app} is tollgate itself: name the app behind it, which listens elsewhere"));
    }
    let is_proxy = is_itself(&app, &Listen::Tcp(listen.to_string()));
    is_proxy.then(|| format!("{says}: at {app} the proxy itself would listen: name the app, or another --listen"))
}

fn is_same(one: &std::path::Path, other: &std::path::Path) -> bool {
    matches!((std::path::absolute(one), std::path::absolute(other)), (Ok(one), Ok(other)) if one == other)
}

/// Two cannot listen at one place.
fn is_taken(at: &Public, is_said: bool, own: &Listen) -> Option<String> {
    at.meets(own).then(|| match is_said {
        true => format!("--listen: at {at} listens tollgate itself: name another port, or move tollgate ([server] listen)"),
        false => format!("[server] listen: the proxy would listen at port {}, too: move tollgate, or say --listen", at.port),
    })
}

/// The name that clients call, and whether they do so in HTTPS. A bare address is no name.
fn name(args: &ProxyArgs, policy: &Policy) -> Result<(Option<String>, bool), String> {
    if let Some(text) = &args.name {
        let name = server_name(text).ok_or_else(|| format!("--name: '{text}' is no host name: write api.example.com"))?;
        return Ok((Some(name), true));
    }
    let url = &policy.server.public_url;
    let Some(uri) = Some(url).filter(|url| !url.is_empty()).and_then(|url| url.parse::<Uri>().ok()) else { return Ok((None, false)) };
    let host = uri.host().unwrap_or_default();
    if host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() {
        return Ok((None, false));
    }
    let name = server_name(host).ok_or_else(|| format!("[server] public_url: '{host}' is no host name: write https://api.example.com"))?;
    Ok((Some(name), uri.scheme_str() == Some("https")))
}
