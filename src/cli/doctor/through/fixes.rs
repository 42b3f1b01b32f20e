//! The line to change, for nginx and for Caddy, in the words of what `tollgate proxy` prints.

use std::net::IpAddr;

/// What is the matter, and the line of either proxy.
fn lines(what: &str, nginx: &str, caddy: &str) -> String {
    format!("{what}\nnginx: {nginx}\nCaddy: {caddy}\n{COMPARE}")
}

const COMPARE: &str = "compare with what `tollgate proxy nginx` or `tollgate proxy caddy` prints";

/// The proxy does not pass the probe on.
pub fn probe(prefix: &str) -> String {
    lines(
        "pass the probe on to tollgate, guarded as the app is; or name a path of the app that shows its headers with --path:",
        &format!(
            "location = {prefix}/v1/probe {{ proxy_pass http://tollgate; }} beside location / of the app, with the same auth_request and proxy_set_header lines"
        ),
        &format!(
            "handle {prefix}/v1/probe {{ import tollgate_gate, then reverse_proxy to tollgate }} before the handle of tollgate's own paths"
        ),
    )
}

/// Nobody asks tollgate.
pub fn unguarded() -> String {
    lines(
        "ask tollgate before the app is asked:",
        "auth_request /auth/v1/check/nginx; in the server, and nowhere auth_request off; for the app",
        "import tollgate_gate (or forward_auth with uri /auth/v1/check) before the reverse_proxy of the app",
    )
}

/// tollgate does not believe the proxy, or is told nothing by it.
pub fn ambiguous() -> String {
    lines(
        "tollgate must believe the proxy, by its address ([server] trusted_proxies), and be told once which request it is asked about:",
        "proxy_set_header X-Forwarded-Uri $request_uri; and X-Forwarded-Method $request_method; in the location that asks tollgate",
        "header_up X-Forwarded-Uri {uri} in the reverse_proxy that asks tollgate, once",
    )
}

/// The credential does not reach tollgate.
pub fn credential_lost() -> String {
    lines(
        "the request that asks tollgate must carry the client's own headers:",
        "no proxy_set_header Authorization \"\"; in the location that asks tollgate",
        "no header_up -Authorization in the reverse_proxy that asks tollgate, and no request_header -Authorization before it",
    )
}

/// tollgate is told of plain HTTP.
pub fn insecure() -> String {
    lines(
        "call the https:// address; where that was done, the proxy must say so, and be trusted ([server] trusted_proxies):",
        "proxy_set_header X-Forwarded-Proto $scheme; in the location that asks tollgate",
        "it says so by itself; where another proxy stands before it: trusted_proxies in its global options",
    )
}

/// A refusal does not come through as the style tells it.
pub fn refusal() -> String {
    lines(
        "the style's answer must come through whole: status, headers and body:",
        "error_page 401 403 = @tollgate_refused; where that location fetches the answer from tollgate",
        "no handle_errors, and no handle_response but for passes, in the reverse_proxy that asks tollgate",
    )
}

/// A forged identity comes through.
pub fn identity(header: &str) -> String {
    if header.contains('_') {
        return lines(
            "to many an app an underscore is a hyphen, so no header with one may reach it:",
            "underscores_in_headers off; in the server (the default)",
            "request_header -*_* before the reverse_proxy that asks tollgate",
        );
    }
    let variable = header.to_ascii_lowercase().replace('-', "_");
    lines(
        "the app must get the identity from tollgate alone:",
        &format!(
            "auth_request_set ${variable} $upstream_http_{variable}; in the server, and proxy_set_header {header} ${variable}; for the app"
        ),
        &format!("request_header {header} {{rp.header.{header}}} where a pass is handled (with forward_auth: {header} in copy_headers)"),
    )
}

/// A forged `X-Forwarded-*` comes through.
pub fn forwarded(header: &str) -> String {
    let value = match header {
        "X-Forwarded-For" => "$remote_addr",
        "X-Forwarded-Proto" => "$scheme",
        "X-Forwarded-Host" => "$http_host",
        "X-Forwarded-Uri" => "$request_uri",
        "X-Forwarded-Method" => "$request_method",
        _ => "\"\"",
    };
    let caddy = match header {
        "X-Forwarded-For" | "X-Forwarded-Proto" | "X-Forwarded-Host" => {
            "it sets this one itself, unless trusted_proxies in its global options names clients".to_owned()
        }
        _ => format!("request_header -{header} for the app, and header_up X-Forwarded-Uri {{uri}} where tollgate is asked"),
    };
    lines(
        "what a client says of itself must not get through, neither to tollgate nor to the app:",
        &format!("proxy_set_header {header} {value}; for both, and never $proxy_add_x_forwarded_for"),
        &caddy,
    )
}

/// The doctor's own address counts as a proxy's, and nothing stands between.
pub fn direct() -> String {
    "where nothing stands before tollgate nobody is to be believed: [server] trusted_proxies = []\nor call it from another machine, or by this one's public address".into()
}

/// The client's address comes out wrong: `taken` is what it comes out as.
pub fn address(taken: Option<IpAddr>, own: IpAddr) -> String {
    let told = lines(
        "the proxy must tell tollgate who calls:",
        "proxy_set_header X-Forwarded-For $remote_addr; in the location that asks tollgate",
        "it tells so by itself; no header_up X-Forwarded-For in the reverse_proxy that asks tollgate",
    );
    let taken = taken.map_or("its address".to_owned(), |taken| taken.to_string());
    format!(
        "{told}\nwhere another proxy stands before this one: [server] trusted_proxies must name {taken}\n\
         where this machine is behind NAT, and the proxy sees another address than {own}: name it with --address"
    )
}

/// A call is not charged once.
pub fn charged() -> String {
    lines(
        "tollgate must be asked exactly once for each request, and every time:",
        "one auth_request, no mirror, and no proxy_cache in the location that asks tollgate",
        "one reverse_proxy or forward_auth that asks tollgate, and no cache before it",
    )
}

/// Headers of a pass do not come through.
pub fn limit_headers(names: &[&str]) -> String {
    let first = names.first().copied().unwrap_or("RateLimit");
    let variable = first.to_ascii_lowercase().replace('-', "_");
    lines(
        &format!("the client must see {} on passes too:", names.join(", ")),
        &format!("auth_request_set ${variable} $upstream_http_{variable}; and add_header {first} ${variable} always; for each of them"),
        &format!("copy_response_headers {{ include {first} }} for each of them, where a pass is handled"),
    )
}

/// Cookies do not come through.
pub fn cookies() -> String {
    lines(
        "Set-Cookie must never be joined or rewritten, and Cookie be passed on:",
        "no proxy_hide_header Set-Cookie, no proxy_cookie_path, no proxy_set_header Cookie for the app",
        "no header and no header_down Set-Cookie, no header_up Cookie for the app",
    )
}

/// A revoked key still passes.
pub fn revocation() -> String {
    lines(
        "what tollgate answered must not be kept:",
        "no proxy_cache in the location that asks tollgate, nor for what of the app's needs a key",
        "no cache before the reverse_proxy that asks tollgate",
    )
}

/// The app gets to see the credential, in this header.
pub fn credential(header: &str) -> String {
    lines(
        "the app needs no credential, and its logs would keep it: X-Auth-* say who calls:",
        &format!("proxy_set_header {header} \"\"; for the app"),
        &format!("request_header -{header} where a pass is handled (or header_up -{header} for the app)"),
    )
}

/// The app gets to see the credential in its query, where the client has to put it.
pub fn credential_in_query() -> String {
    "name a carrier in a header in [keys] carriers, and tell your callers to use that one: URLs are kept in logs".into()
}

/// Another answer than one that is known.
pub fn unknown() -> String {
    "read the log of the proxy and of tollgate: what came is neither the style's nor the app's".into()
}
