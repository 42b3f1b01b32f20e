//! The line to change, for nginx and for Caddy, in the words of what `tollgate proxy` prints; and for a proxy before the gate itself.

use std::net::IpAddr;

use crate::cli::proxy::words;
use crate::config::Policy;

const COMPARE: &str = "compare with what `tollgate proxy nginx` or `tollgate proxy caddy` prints";

/// What all of it depends on.
#[derive(Clone, Debug)]
pub struct Fixes {
    /// Below this lie tollgate's own paths.
    prefix: String,
    /// Whether tollgate stands in front of the app itself, and a proxy only before it.
    is_front: bool,
}

impl Fixes {
    /// For this server.
    pub fn of(prefix: &str, policy: &Policy) -> Self {
        Self { prefix: prefix.into(), is_front: policy.upstream.target.is_some() }
    }

    /// What is the matter, and the line of either proxy.
    fn lines(&self, what: &str, nginx: &str, caddy: &str) -> String {
        let compare = if self.is_front { String::new() } else { format!("\n{COMPARE}") };
        format!("{what}\nnginx: {nginx}\nCaddy: {caddy}{compare}")
    }

    /// The proxy does not pass everything on to the gate in front.
    fn past_the_gate(&self) -> String {
        self.lines(
            "tollgate stands in front of the app itself ([upstream] url): the proxy must pass every request on to tollgate, and none to the app:",
            "location / { proxy_pass http://tollgate; } and nothing else that leads to the app",
            "one reverse_proxy, to tollgate",
        )
    }

    /// The proxy does not pass the probe on.
    pub fn probe(&self) -> String {
        let prefix = &self.prefix;
        if self.is_front {
            return self.past_the_gate();
        }
        self.lines(
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
    pub fn unguarded(&self) -> String {
        let prefix = &self.prefix;
        if self.is_front {
            return self.past_the_gate();
        }
        self.lines(
            "ask tollgate before the app is asked:",
            &format!("auth_request {prefix}/v1/check/nginx; in the server, and nowhere auth_request off; for the app"),
            &format!(
                "import tollgate_gate (or forward_auth with uri {prefix}/v1/check) in each handle, before the reverse_proxy of the app"
            ),
        )
    }

    /// The app does not answer the proxy.
    pub fn app_down(&self) -> String {
        self.lines(
            "start the app, or let the proxy look for it where it listens:",
            "server HOST:PORT; in upstream tollgate_app",
            "reverse_proxy HOST:PORT in the handle of the app",
        )
    }

    /// The proxy does not reach tollgate, which listens there.
    pub fn out_of_reach(&self, listening: &str) -> String {
        let place = listening.trim_start_matches("http://");
        let socket = if place.starts_with("unix:") {
            "\nwhat listens on a socket must let the proxy's user open it: [server] socket_mode = \"0660\", and that user in the group of the socket; and its folder too"
        } else {
            ""
        };
        self.lines(
            &format!("tollgate listens at {place}, and there the proxy must look for it:"),
            &format!("server {place}; in upstream tollgate"),
            &format!("reverse_proxy {} where it asks tollgate", place.replacen("unix:", "unix/", 1)),
        ) + socket
    }

    /// tollgate itself answers, and no app.
    pub fn no_app(&self) -> String {
        "put a proxy before it and the app (`tollgate proxy nginx` or `tollgate proxy caddy` prints one), and call that with --through\n\
         or name the app in [upstream] url: then tollgate passes on what passes"
            .into()
    }

    /// The proxy has no site for that name.
    pub fn no_site(&self, host: &str) -> String {
        self.lines(
            "call the proxy by the name that its site has, or let the site have this one (`tollgate proxy … --name HOST`):",
            &format!("server_name {host}; in the server of the app, and no other default_server"),
            &format!("{host} {{ … }} as the address of the site"),
        )
    }

    /// tollgate does not believe the proxy, or is told nothing by it.
    pub fn ambiguous(&self) -> String {
        if self.is_front {
            return self.lines(
                "tollgate must get the path as the client sent it, and be told by the proxy once who calls:",
                "proxy_pass http://tollgate; without a path behind it, and proxy_set_header X-Forwarded-For $remote_addr;",
                "no rewrite and no uri before the reverse_proxy to tollgate, and no header_up X-Forwarded-For in it",
            );
        }
        self.lines(
            "tollgate must believe the proxy, by its address ([server] trusted_proxies), and be told once which request it is asked about:",
            "proxy_set_header X-Forwarded-Uri $request_uri; and X-Forwarded-Method $request_method; in the location that asks tollgate",
            "header_up X-Forwarded-Uri {uri} in the reverse_proxy that asks tollgate, once",
        )
    }

    /// The credential does not reach tollgate.
    pub fn credential_lost(&self) -> String {
        if self.is_front {
            return self.lines(
                "the client's own headers must reach tollgate:",
                "no proxy_set_header Authorization \"\"; in the location that leads to tollgate",
                "no header_up -Authorization and no request_header -Authorization before the reverse_proxy to tollgate",
            );
        }
        self.lines(
            "the request that asks tollgate must carry the client's own headers:",
            "no proxy_set_header Authorization \"\"; in the location that asks tollgate",
            "no header_up -Authorization in the reverse_proxy that asks tollgate, and no request_header -Authorization before it",
        )
    }

    /// tollgate is told of plain HTTP.
    pub fn insecure(&self) -> String {
        let way = if self.is_front { "leads to" } else { "asks" };
        self.lines(
            "call the https:// address; where that was done, the proxy must say so, and be trusted ([server] trusted_proxies):",
            &format!("proxy_set_header X-Forwarded-Proto $scheme; in the location that {way} tollgate"),
            "it says so by itself; where another proxy stands before it: trusted_proxies in its global options",
        )
    }

    /// A refusal does not come through as the style tells it.
    pub fn refusal(&self) -> String {
        if self.is_front {
            return self.lines(
                "the style's answer must come through whole: status, headers and body:",
                "no proxy_intercept_errors on; and no error_page for it",
                "no handle_errors, and no handle_response in the reverse_proxy to tollgate",
            );
        }
        self.lines(
            "the style's answer must come through whole: status, headers and body:",
            "error_page 401 403 = @tollgate_refused; where that location fetches the answer from tollgate",
            "no handle_errors, and no handle_response but for passes, in the reverse_proxy that asks tollgate",
        )
    }

    /// A forged identity comes through.
    pub fn identity(&self, header: &str) -> String {
        if self.is_front {
            return self.past_the_gate();
        }
        if header.contains('_') {
            return self.lines(
                "to many an app an underscore is a hyphen, so no header with one may reach it:",
                "underscores_in_headers off; in the server (the default)",
                "request_header -*_* before the reverse_proxy that asks tollgate",
            );
        }
        self.lines(
            "the app must get the identity from tollgate alone:",
            &format!(
                "{} in the server, and {} for the app; a location with a proxy_set_header of its own needs all of them again",
                words::learn(header),
                words::tell(header)
            ),
            &format!(
                "request_header {header} {{rp.header.{header}}} where a pass is handled (with forward_auth: {header} in copy_headers)"
            ),
        )
    }

    /// A forged `X-Forwarded-*` comes through.
    pub fn forwarded(&self, header: &str) -> String {
        if self.is_front {
            return self.told_by_the_proxy();
        }
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
        self.lines(
            "what a client says of itself must not get through, neither to tollgate nor to the app:",
            &format!("proxy_set_header {header} {value}; for both, and never $proxy_add_x_forwarded_for"),
            &caddy,
        )
    }

    /// What a proxy before the gate in front has to say; all else of that kind the gate drops itself.
    fn told_by_the_proxy(&self) -> String {
        self.lines(
            "the proxy must set X-Forwarded-For, -Proto and -Host itself, and its address stand in [server] trusted_proxies:",
            "proxy_set_header X-Forwarded-For $remote_addr; X-Forwarded-Proto $scheme; X-Forwarded-Host $http_host; and never $proxy_add_x_forwarded_for",
            "it sets them itself, unless trusted_proxies in its global options names clients",
        )
    }

    /// The doctor's own address counts as a proxy's, and nothing stands between.
    pub fn direct(&self) -> String {
        "where nothing stands before tollgate nobody is to be believed: [server] trusted_proxies = []\nor call it from another machine, or by this one's public address".into()
    }

    /// The client's address comes out wrong: `taken` is what it comes out as.
    pub fn address(&self, taken: Option<IpAddr>, own: IpAddr) -> String {
        let told = if self.is_front {
            self.told_by_the_proxy()
        } else {
            self.lines(
                "the proxy must tell tollgate who calls:",
                "proxy_set_header X-Forwarded-For $remote_addr; in the location that asks tollgate",
                "it tells so by itself; no header_up X-Forwarded-For in the reverse_proxy that asks tollgate",
            )
        };
        let taken = taken.map_or("its address".to_owned(), |taken| taken.to_string());
        format!(
            "{told}\nwhere another proxy stands before this one: [server] trusted_proxies must name {taken}\n\
             where this machine is behind NAT, and the proxy sees another address than {own}: name it with --address"
        )
    }

    /// A call is not charged once.
    pub fn charged(&self) -> String {
        if self.is_front {
            return self.lines(
                "each request must reach tollgate exactly once:",
                "no mirror, no proxy_cache, and no proxy_next_upstream that sends it again",
                "no cache, and no lb_retries, before tollgate",
            );
        }
        self.lines(
            "tollgate must be asked exactly once for each request, and every time:",
            "one auth_request, no mirror, and no proxy_cache in the location that asks tollgate",
            "one reverse_proxy or forward_auth that asks tollgate, and no cache before it",
        )
    }

    /// Headers of a pass do not come through.
    pub fn limit_headers(&self, names: &[&str]) -> String {
        let first = words::written(names.first().copied().unwrap_or("RateLimit"));
        if self.is_front {
            return self.lines(
                &format!("the client must see {} on passes too:", names.join(", ")),
                &format!("no proxy_hide_header {first} in the location that passes on to tollgate"),
                &format!("no header -{first} and no header_down -{first}"),
            );
        }
        self.lines(
            &format!("the client must see {} on passes too:", names.join(", ")),
            &format!(
                "{} and {} for each of them; a location with an add_header of its own needs all of them again",
                words::learn(&first),
                words::add(&first)
            ),
            &format!("copy_response_headers {{ include {first} }} for each of them, where a pass is handled"),
        )
    }

    /// Cookies do not come through.
    pub fn cookies(&self) -> String {
        self.lines(
            "Set-Cookie must never be joined or rewritten, and Cookie be passed on:",
            "no proxy_hide_header Set-Cookie, no proxy_cookie_path, no proxy_set_header Cookie for the app",
            "no header and no header_down Set-Cookie, no header_up Cookie for the app",
        )
    }

    /// A revoked key still passes.
    pub fn revocation(&self) -> String {
        if self.is_front {
            return self.lines("what tollgate answered must not be kept:", "no proxy_cache before tollgate", "no cache before tollgate");
        }
        self.lines(
            "what tollgate answered must not be kept:",
            "no proxy_cache in the location that asks tollgate, nor for what of the app's needs a key",
            "no cache before the reverse_proxy that asks tollgate",
        )
    }

    /// The app gets to see the credential, in this header.
    pub fn credential(&self, header: &str) -> String {
        if self.is_front {
            return self.past_the_gate();
        }
        self.lines(
            "the app needs no credential, and its logs would keep it: X-Auth-* say who calls:",
            &format!("proxy_set_header {header} \"\"; for the app"),
            &format!("request_header -{header} where a pass is handled (or header_up -{header} for the app)"),
        )
    }

    /// The app gets to see the credential in its query, where the client has to put it.
    pub fn credential_in_query(&self) -> String {
        "no proxy can be trusted to cut it out of a URL: let [keys] carriers name a header alone, and tell your callers to use that".into()
    }

    /// Another answer than one that is known.
    pub fn unknown(&self) -> String {
        "read the log of the proxy and of tollgate: what came is neither the style's nor the app's".into()
    }
}
