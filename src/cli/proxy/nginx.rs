//! nginx: `auth_request`, and a second, free ask for the body of a refusal, which nginx throws away.

use super::address::{Address, Public};
use super::layout::Layout;
use super::words::{add, learn, tell};
use super::{Filling, fill};

const TEMPLATE: &str = include_str!("nginx.conf");

/// Names longer than this do not fit into nginx's own table of them.
const LONGEST_NAME: usize = 40;

/// The size of nginx's buffers for a request's head.
const HEAD_BUFFER: usize = 8 * 1024;

/// The configuration.
pub fn config(layout: &Layout) -> String {
    let one = |text: &str| vec![text.to_owned()];
    let port = layout.listen.as_ref().map_or_else(|| "80".to_owned(), port);
    // Without a name it takes whatever comes; where another server does so too, nginx says so and does not start.
    let (listen, any_name) = match &layout.name {
        Some(_) => (port, Vec::new()),
        None => (
            format!("{port} default_server"),
            one("# Without a name it takes every request that comes here. Debian's own default site must go then."),
        ),
    };
    let name = layout.name.as_deref().unwrap_or("_");
    let long_names = if name.len() > LONGEST_NAME { one("server_names_hash_bucket_size 512;") } else { Vec::new() };
    let forgotten = |name: &String| format!("proxy_set_header {name} \"\";");
    let lookalikes = if layout.underscores { layout.lookalikes() } else { Vec::new() };
    let fillings: Vec<Filling> = vec![
        ("notes", layout.notes.iter().map(|note| format!("# {note}")).collect()),
        ("tollgate", one(&server(&layout.tollgate))),
        ("app", one(&server(&layout.app))),
        ("keep", one(&layout.keep_seconds.to_string())),
        ("patience", one(&layout.patience_seconds.to_string())),
        ("long_names", long_names),
        ("listen", one(&listen)),
        ("any_name", any_name),
        ("name", one(name)),
        ("prefix", one(&layout.prefix)),
        ("body", one(&layout.max_body_bytes.map_or("10m".to_owned(), |bytes| bytes.to_string()))),
        ("head_buffers", one(&(layout.max_header_bytes / HEAD_BUFFER).saturating_sub(1).max(1).to_string())),
        ("underscores", one(if layout.underscores { "on" } else { "off" })),
        ("learn_identity", layout.identity.iter().map(|name| learn(name)).collect()),
        ("learn_passes", layout.on_passes.iter().map(|name| learn(name)).collect()),
        ("identity", layout.identity.iter().map(|name| tell(name)).collect()),
        ("removed", layout.removed.iter().chain(&lookalikes).map(forgotten).collect()),
        ("passes", layout.on_passes.iter().flat_map(|name| hide_and_add(name)).collect()),
    ];
    fill(TEMPLATE, &fillings)
}

fn port(at: &Public) -> String {
    at.host.as_ref().map_or(at.port.to_string(), |host| format!("{host}:{}", at.port))
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
