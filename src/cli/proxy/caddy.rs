//! Caddy: `reverse_proxy` to tollgate with `handle_response`, which goes on with the request where tollgate lets it pass; or a
//! plain proxy before tollgate.

use super::address::{Address, Public};
use super::layout::{CLAIMS, Layout, REAL_IP};
use super::{Filling, fill};

const ASKING: &str = include_str!("Caddyfile");
const BEFORE: &str = include_str!("front.Caddyfile");

/// The configuration.
pub fn config(layout: &Layout) -> Result<String, String> {
    let one = |text: &str| vec![text.to_owned()];
    let site = site(layout)?;
    let bind = layout.places.listen.as_ref().and_then(|at| at.host.as_deref());
    let body =
        layout.max_body_bytes.map_or_else(Vec::new, |bytes| vec!["request_body {".into(), format!("\tmax_size {bytes}"), "}".into()]);
    // Caddy lets headers with underscores through. Where none holds a credential, all of them go.
    let lookalikes = if layout.underscores { layout.lookalikes() } else { one("*_*") };
    let forgotten = |name: &String| format!("request_header -{name}");
    let fillings: Vec<Filling> = vec![
        ("notes", layout.notes.iter().map(|note| format!("# {note}")).collect()),
        ("tollgate", one(&upstream(&layout.places.tollgate))),
        ("app", layout.places.app.iter().map(upstream).collect()),
        ("keep", one(&layout.keep_seconds.to_string())),
        ("patience", one(&layout.patience_seconds.to_string())),
        ("site", one(&site)),
        ("bind", bind.map(|host| format!("bind {}", host.trim_matches(['[', ']']))).into_iter().collect()),
        ("body", body),
        ("prefix", one(&layout.prefix)),
        ("claims", CLAIMS.iter().chain([&REAL_IP]).map(|name| format!("header_up -{name}")).collect()),
        ("lookalikes", lookalikes.iter().map(forgotten).collect()),
        ("identity", layout.identity.iter().map(|name| format!("request_header {name} {{rp.header.{name}}}")).collect()),
        ("removed", layout.removed.iter().map(forgotten).collect()),
        ("passes", copied(&layout.on_passes)),
        ("replaced", layout.on_passes.iter().map(|name| format!("header_down -{name}")).collect()),
    ];
    Ok(fill(if layout.places.app.is_some() { ASKING } else { BEFORE }, &fillings))
}

fn upstream(address: &Address) -> String {
    match address {
        Address::Tcp(text) => text.clone(),
        Address::Unix(path) => format!("unix/{path}"),
    }
}

/// The address of the site: HTTPS by itself where clients call a name, plain HTTP where somebody says where to listen.
fn site(layout: &Layout) -> Result<String, String> {
    match (&layout.places.listen, &layout.places.name) {
        (None, Some(name)) if layout.places.is_https => Ok(name.clone()),
        (None, name) => Ok(format!("http://{}", name.as_deref().unwrap_or(":80"))),
        (Some(Public { port: 443, .. }), Some(name)) => Ok(format!("https://{name}")),
        (Some(Public { port: 443, .. }), None) => Err("--listen: port 443 is for HTTPS, and that needs a name: add --name HOST".into()),
        (Some(at), name) => Ok(format!("http://{}:{}", name.as_deref().unwrap_or_default(), at.port)),
    }
}

/// What takes the style's headers over from tollgate's answer; those that are not there are not sent.
fn copied(names: &[String]) -> Vec<String> {
    if names.is_empty() {
        return Vec::new();
    }
    let lines = names.iter().map(|name| format!("\tinclude {name}"));
    ["copy_response_headers {".into()].into_iter().chain(lines).chain(["}".into()]).collect()
}
