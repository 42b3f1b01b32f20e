//! nginx: `auth_request`, and a second, free ask for the body of a refusal, which nginx throws away; or a plain proxy before
//! tollgate.

use super::address::{Address, Public, USUAL_PORT};
use super::layout::{CLAIMS, Layout, REAL_IP};
use super::words::{add, learn, tell};
use super::{Filling, fill};

const ASKING: &str = include_str!("nginx.conf");
const BEFORE: &str = include_str!("front.nginx.conf");

/// Names longer than this do not fit into nginx's own table of them.
const LONGEST_NAME: usize = 40;

/// The size of nginx's buffers for a request's head.
const HEAD_BUFFER: usize = 8 * 1024;

/// The configuration.
pub fn config(layout: &Layout) -> String {
    let one = |text: &str| vec![text.to_owned()];
    // Without a name it takes whatever comes; where another server does so too, nginx says so and does not start.
    let (default, any_name) = match &layout.places.name {
        Some(_) => ("", Vec::new()),
        None => {
            (" default_server", one("# Without a name it takes every request that comes here. Debian's own default site must go then."))
        }
    };
    // What nginx receives before it asks has a bound.
    let (template, unbounded) = if layout.places.app.is_some() { (ASKING, "10m") } else { (BEFORE, "0") };
    let name = layout.places.name.as_deref().unwrap_or("_");
    let long_names = if name.len() > LONGEST_NAME { one("server_names_hash_bucket_size 512;") } else { Vec::new() };
    let forgotten = |name: &String| format!("proxy_set_header {name} \"\";");
    let lookalikes = if layout.underscores { layout.lookalikes() } else { Vec::new() };
    let fillings: Vec<Filling> = vec![
        ("notes", layout.notes.iter().map(|note| format!("# {note}")).collect()),
        ("tollgate", one(&server(&layout.places.tollgate))),
        ("app", layout.places.app.iter().map(server).collect()),
        ("keep", one(&layout.keep_seconds.to_string())),
        ("patience", one(&layout.patience_seconds.to_string())),
        ("long_names", long_names),
        ("listen", ports(layout.places.listen.as_ref()).iter().map(|port| format!("listen {port}{default};")).collect()),
        ("any_name", any_name),
        ("name", one(name)),
        ("prefix", one(&layout.prefix)),
        ("body", one(&layout.max_body_bytes.map_or(unbounded.to_owned(), |bytes| bytes.to_string()))),
        ("own_body", one(&layout.own_max_body_bytes.to_string())),
        ("head_buffers", one(&(layout.max_header_bytes / HEAD_BUFFER).saturating_sub(1).max(1).to_string())),
        ("head_buffer", one(&layout.max_header_bytes.max(HEAD_BUFFER).to_string())),
        ("claims", CLAIMS.iter().chain([&REAL_IP]).map(|name| format!("proxy_set_header {name} \"\";")).collect()),
        ("underscores", one(if layout.underscores { "on" } else { "off" })),
        ("learn_identity", layout.identity.iter().map(|name| learn(name)).collect()),
        ("learn_passes", layout.on_passes.iter().map(|name| learn(name)).collect()),
        ("identity", layout.identity.iter().map(|name| tell(name)).collect()),
        ("removed", layout.removed.iter().chain(&lookalikes).map(forgotten).collect()),
        ("passes", layout.on_passes.iter().flat_map(|name| hide_and_add(name)).collect()),
    ];
    fill(template, &fillings)
}

/// Where it listens: in IPv4 and in IPv6, where nobody says more.
fn ports(at: Option<&Public>) -> Vec<String> {
    let port = at.map_or(USUAL_PORT, |at| at.port);
    match at.and_then(|at| at.host.as_ref()) {
        Some(host) => vec![format!("{host}:{port}")],
        None => vec![port.to_string(), format!("[::]:{port}")],
    }
}

fn server(address: &Address) -> String {
    match address {
        Address::Tcp(text) => text.clone(),
        Address::Unix(path) => format!("unix:{path}"),
    }
}

fn hide_and_add(name: &str) -> [String; 2] {
    [format!("proxy_hide_header {name};"), add(name)]
}
