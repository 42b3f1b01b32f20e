//! The line to change, for nginx and for Caddy.

use std::net::IpAddr;

/// What `tollgate proxy` prints is what all of these come to.
fn lines(what: &str, nginx: &str, caddy: &str) -> String {
    format!("{what}\nnginx: {nginx}\nCaddy: {caddy}\ncompare with what `tollgate proxy nginx` or `tollgate proxy caddy` prints")
}

/// The proxy does not pass the probe on.
pub fn probe(prefix: &str) -> String {
    lines(
        "let the proxy pass the probe on to tollgate, guarded as the app is, or name a path of the app that shows its headers with --path:",
        &format!(
            "location = {prefix}/v1/probe {{ … }}, with the auth_request and the proxy_set_header lines of the app's location, and proxy_pass to tollgate"
        ),
        &format!(
            "handle {prefix}/v1/probe {{ … }}, with the forward_auth and the request_header lines of the app's, and reverse_proxy to tollgate"
        ),
    )
}

/// Nobody asks tollgate.
pub fn unguarded() -> String {
    lines(
        "let the proxy ask tollgate before it asks the app:",
        "auth_request /auth; in the location of the app",
        "forward_auth 127.0.0.1:8080 { uri /auth/v1/check … } before the reverse_proxy of the app",
    )
}

/// tollgate does not believe the proxy, or is told nothing by it.
pub fn ambiguous() -> String {
    lines(
        "let tollgate believe the proxy, by its address: [server] trusted_proxies; and let it say once which request it asks about:",
        "proxy_set_header X-Forwarded-Uri $request_uri; and X-Forwarded-Method, -Proto, -Host, -For in the location that asks tollgate",
        "forward_auth sets them by itself; header_up must not add a second one",
    )
}

/// The credential does not reach tollgate.
pub fn credential_lost() -> String {
    lines(
        "let the request that asks tollgate carry the client's headers:",
        "no proxy_set_header Authorization \"\"; in the location that asks tollgate",
        "request_header -Authorization comes after forward_auth: wrap both in route { … }",
    )
}

/// tollgate is told of plain HTTP.
pub fn insecure() -> String {
    lines(
        "call the https:// address; where that was done, the proxy must say so, and be trusted ([server] trusted_proxies):",
        "proxy_set_header X-Forwarded-Proto $scheme; in the location that asks tollgate",
        "forward_auth says so by itself; trusted_proxies in its global options, where another proxy stands before it",
    )
}

/// A refusal does not come through as the style tells it.
pub fn refusal() -> String {
    lines(
        "let the style's answer through whole: status, headers and body:",
        "error_page 401 403 = @refused; where @refused asks tollgate's /auth/v1/check for the answer and passes it on",
        "forward_auth passes it on by itself; no handle_errors and no handle_response over it",
    )
}

/// A forged identity comes through.
pub fn identity(header: &str) -> String {
    let variable = header.to_ascii_lowercase().replace('-', "_");
    if header.contains('_') {
        return lines(
            "to many an app an underscore is a hyphen, so such headers must not reach it:",
            "underscores_in_headers off; (the default), or proxy_set_header with an empty value",
            &format!("request_header -{header} before the reverse_proxy of the app"),
        );
    }
    lines(
        "the app must get this header from tollgate alone:",
        &format!("auth_request_set ${variable} $upstream_http_{variable}; and proxy_set_header {header} ${variable};"),
        &format!("{header} in copy_headers of forward_auth"),
    )
}

/// A forged `X-Forwarded-*` comes through.
pub fn forwarded(header: &str) -> String {
    let value = match header {
        "X-Forwarded-For" | "X-Real-IP" => "$remote_addr",
        "X-Forwarded-Proto" => "$scheme",
        "X-Forwarded-Host" => "$host",
        "X-Forwarded-Uri" => "$request_uri",
        "X-Forwarded-Method" => "$request_method",
        _ => "\"\"",
    };
    let caddy = match header {
        "X-Forwarded-For" | "X-Forwarded-Proto" | "X-Forwarded-Host" => {
            "no trusted_proxies for clients in its global options: then Caddy sets this one itself".to_owned()
        }
        _ => format!("request_header -{header} before forward_auth"),
    };
    lines(
        "what the client says of itself must not get through, neither to tollgate nor to the app:",
        &format!("proxy_set_header {header} {value}; in both locations, never $proxy_add_x_forwarded_for"),
        &caddy,
    )
}

/// The doctor's own address counts as a proxy's, and nothing stands between.
pub fn direct() -> String {
    "nothing stands before tollgate, so nobody should be believed: [server] trusted_proxies = []\nor call it from another machine, or by this one's public address".into()
}

/// The client's address comes out wrong: `taken` is what it comes out as.
pub fn address(taken: Option<IpAddr>, own: IpAddr) -> String {
    let told = lines(
        "the proxy must tell tollgate who calls:",
        "proxy_set_header X-Forwarded-For $remote_addr; in the location that asks tollgate",
        "forward_auth sets X-Forwarded-For by itself; no header_up over it",
    );
    let taken = taken.map_or("its address".to_owned(), |taken| format!("{taken}"));
    format!(
        "{told}\nwhere another proxy stands before this one: [server] trusted_proxies must name {taken}\n\
         where this machine is behind NAT, and the proxy sees another address than {own}: name it with --address"
    )
}

/// A call is not charged once.
pub fn charged() -> String {
    lines(
        "tollgate must be asked exactly once for each request, and every time:",
        "one auth_request, no mirror, no proxy_cache in the location that asks tollgate; the answer to a refusal is fetched without charging",
        "one forward_auth for each request, and no cache before it",
    )
}

/// Headers of a pass do not come through.
pub fn limit_headers(names: &str) -> String {
    lines(
        &format!("let the client see {names} on passes too:"),
        "auth_request_set $limit $upstream_http_x_ratelimit_limit; and add_header X-RateLimit-Limit $limit always; for each of them",
        "header >X-RateLimit-Limit {http.reverse_proxy.header.X-RateLimit-Limit} for each of them, beside forward_auth",
    )
}

/// Cookies do not come through.
pub fn cookies() -> String {
    lines(
        "Set-Cookie must never be joined or rewritten, and Cookie be passed on:",
        "no proxy_hide_header Set-Cookie, no proxy_cookie_path, no proxy_set_header Cookie",
        "no header Set-Cookie and no header_up Cookie",
    )
}

/// A revoked key still passes.
pub fn revocation() -> String {
    lines(
        "what tollgate answered must not be kept:",
        "no proxy_cache in the location that asks tollgate, nor in the app's for what needs a key",
        "no cache before forward_auth",
    )
}

/// The app gets to see the credential.
pub fn credential(place: &str) -> String {
    let (nginx, caddy) = match place {
        "query" => {
            ("the app sees the query as it came: name a carrier in a header first in [keys] carriers".to_owned(), "the same".to_owned())
        }
        place => (
            format!("proxy_set_header {place} \"\"; in the location of the app"),
            format!("header_up -{place} in the reverse_proxy of the app"),
        ),
    };
    lines(
        "the app needs no credential, and its logs would keep it; it learns from X-Auth-* who calls (or [upstream] pass_credential = true):",
        &nginx,
        &caddy,
    )
}

/// Another answer than one that is known.
pub fn unknown() -> String {
    "read the log of the proxy and of tollgate: what came is neither the style's nor the app's".into()
}
