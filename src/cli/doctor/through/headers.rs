//! What reaches the app: who calls, and nothing that the client made up.

use super::super::report::{Check, Findings};
use super::fixes;
use super::proxy::{Eyes, Header, Proxy, Seen};
use crate::domain::carrier::Carrier;

/// The identity headers, as people write them.
const IDENTITY: [&str; 6] = ["X-Auth-Account", "X-Auth-Key", "X-Auth-User", "X-Auth-Plan", "X-Auth-Scopes", "X-Auth-Verdict"];

/// The one by which the probe knows whom to answer.
const KEY: &str = "X-Auth-Key";

/// What the probe calls the place of a credential that stands in the query.
const QUERY: &str = "query";

/// An address of nobody's (RFC 5737).
pub const FORGED: &str = "198.51.100.77";

/// What a client may say of itself, and what of it must not be seen. Where tollgate believes the path, the method or the
/// scheme, it takes the request for one that can be read in two ways, and refuses it.
const FORWARDED: [(&str, &str, &str); 7] = [
    ("X-Forwarded-For", FORGED, FORGED),
    ("X-Forwarded-Proto", "forged-scheme", "forged-scheme"),
    ("X-Forwarded-Host", "forged-host.invalid", "forged-host"),
    ("X-Forwarded-Uri", "/forged//path", "forged//path"),
    ("X-Forwarded-Method", "forged-method", "forged-method"),
    ("Forwarded", "for=198.51.100.77;host=forged-host.invalid", FORGED),
    ("X-Real-IP", FORGED, FORGED),
];

/// What a forged identity says.
fn canary(name: &str) -> String {
    format!("forged-{}", name.to_ascii_lowercase().replace('_', "-"))
}

fn forged(names: &[String]) -> Vec<Header> {
    names.iter().map(|name| (name.clone(), canary(name))).collect()
}

/// The true identity arrives, and a forged one does not.
pub async fn identity(proxy: &Proxy<'_>) -> Result<Check, String> {
    const NAME: &str = "proxy_identity";
    let plain: Vec<String> = IDENTITY.iter().filter(|name| **name != KEY).map(|name| (*name).to_owned()).collect();
    let alone = vec![KEY.to_owned()];
    let underscored: Vec<String> = IDENTITY.iter().map(|name| name.replace('-', "_")).collect();
    let mut findings = Findings::default();
    let mut is_seen = proxy.eyes == Eyes::Probe;
    for (names, may_be_refused) in [(&plain, false), (&alone, false), (&underscored, true)] {
        let seen = proxy.ask_patiently(Some(&proxy.key), &forged(names)).await?;
        is_seen |= seen.answer.body.contains(proxy.tools.visit.account());
        for name in names {
            let leaks = seen.values(name).iter().any(|value| value.contains(&canary(name)));
            if leaks || (proxy.eyes != Eyes::Probe && seen.answer.body.contains(&canary(name))) {
                findings.failed(format!("a forged {name} reaches the app"), fixes::identity(name));
            }
        }
        if *names == alone && proxy.eyes == Eyes::Probe && seen.probe.is_none() {
            findings.failed(format!("a forged {KEY} takes the true one's place"), fixes::identity(KEY));
        } else if !(proxy.is_pass(&seen) || may_be_refused && seen.answer.status.is_client_error()) {
            findings.failed(
                format!("with a forged {} a good key is answered {}", names.join(", "), proxy.told(&seen.answer)),
                fixes::unknown(),
            );
        }
    }
    if proxy.eyes == Eyes::Probe {
        compare_identity(proxy, &proxy.first, &mut findings);
    } else if !is_seen {
        return Ok(unseen(NAME, proxy, findings));
    }
    Ok(findings.check(NAME, "forged X-Auth-* do not reach the app, with underscores neither; the true ones do"))
}

/// Whether the app learns who calls.
fn compare_identity(proxy: &Proxy<'_>, seen: &Seen, findings: &mut Findings) {
    let (account, key) = (proxy.tools.visit.account().to_owned(), proxy.key.id.clone());
    let known = [Some(account), Some(key), Some(String::new()), None, Some("*".to_owned()), Some("ok".to_owned())];
    for (name, known) in IDENTITY.iter().zip(known) {
        let values = seen.values(name);
        // Nothing is as good as an empty header.
        if values.is_empty() && known.as_deref() != Some("") {
            findings.warning(format!("{name} does not reach the app"), fixes::identity(name));
        } else if values.len() > 1 || values.first().zip(known).is_some_and(|(value, known)| *value != known) {
            findings.failed(format!("{name} reaches the app with another value"), fixes::identity(name));
        }
    }
}

/// What a client says of itself is believed by nobody.
pub async fn forwarded(proxy: &Proxy<'_>) -> Result<Check, String> {
    const NAME: &str = "proxy_forwarded";
    let trusted = &proxy.tools.policy.server.trusted_proxies;
    if proxy.first.is_direct() && crate::domain::address::within(trusted, proxy.own) {
        let detail = "tollgate itself was called, from an address that counts as a proxy's and so is believed";
        return Ok(Check::not_proven(NAME, detail, fixes::direct()));
    }
    let mut findings = Findings::default();
    let mut is_seen = proxy.eyes == Eyes::Probe;
    for (name, value, canary) in FORWARDED {
        let seen = proxy.ask_patiently(Some(&proxy.key), &[(name.into(), value.into())]).await?;
        let body = &seen.answer.body;
        is_seen |= body.contains(proxy.tools.visit.account());
        let leaks = match proxy.eyes {
            Eyes::Probe => seen.pairs().any(|(_, value)| value.contains(canary)),
            Eyes::App(_) => body.contains(canary),
        };
        if leaks {
            findings.failed(format!("a forged {name} reaches the app"), fixes::forwarded(name));
        } else if !proxy.is_pass(&seen) {
            findings.failed(
                format!("a forged {name} is believed: a good key is answered {}", proxy.told(&seen.answer)),
                fixes::forwarded(name),
            );
        }
    }
    forged_address(proxy, &mut findings).await?;
    if !is_seen {
        return Ok(unseen(NAME, proxy, findings));
    }
    Ok(findings.check(NAME, "forged X-Forwarded-*, Forwarded and X-Real-IP are not believed, and do not reach the app"))
}

/// A key that is for the forged address alone must not pass because the client says that it is there.
async fn forged_address(proxy: &Proxy<'_>, findings: &mut Findings) -> Result<(), String> {
    let elsewhere = proxy.key_for(&[FORGED]).await?;
    for (name, value, _) in FORWARDED.iter().filter(|(_, value, _)| value.contains(FORGED)) {
        let seen = proxy.ask_patiently(Some(&elsewhere), &[((*name).into(), (*value).into())]).await?;
        if proxy.is_pass(&seen) {
            findings.failed(format!("a forged {name} is taken for the client's address"), fixes::forwarded(name));
        }
    }
    Ok(())
}

/// Cookies, both ways.
pub async fn cookies(proxy: &Proxy<'_>) -> Result<Check, String> {
    const NAME: &str = "proxy_cookies";
    const SENT: &str = "doctor=there; second=and-back";
    let seen = proxy.ask_patiently(Some(&proxy.key), &[("cookie".into(), SENT.into())]).await?;
    let mut findings = Findings::default();
    let Some(probe) = &seen.probe else {
        return Ok(unseen(NAME, proxy, findings));
    };
    // Two headers may become one on the way in (RFC 9113, 8.2.3), joined by a semicolon.
    let arrived = seen.values("cookie").join("; ");
    if arrived != SENT {
        findings.failed("a cookie that was sent does not arrive as it was", fixes::cookies());
    }
    let set: Vec<&str> = probe["cookies"].as_array().into_iter().flatten().filter_map(|cookie| cookie.as_str()).collect();
    let got: Vec<_> =
        seen.answer.headers.get_all(http::header::SET_COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    if got.len() < set.len() {
        findings.failed(format!("of {} Set-Cookie headers {} come through", set.len(), got.len()), fixes::cookies());
    } else if set.iter().any(|cookie| got.iter().all(|got| got != cookie)) {
        findings.failed("a Set-Cookie header comes through changed", fixes::cookies());
    }
    Ok(findings.check(NAME, format!("{} Set-Cookie headers come through as they were, and a Cookie arrives", set.len())))
}

/// The app does not get to see the credential, unless it is meant to.
pub async fn credential(proxy: &Proxy<'_>) -> Result<Check, String> {
    const NAME: &str = "proxy_credential";
    if may_see_credential(proxy) {
        return Ok(Check::ok(NAME, "the app may see it: [upstream] pass_credential = true"));
    }
    let mut findings = Findings::default();
    match &proxy.first.probe {
        Some(probe) => {
            for place in probe["credential"].as_array().into_iter().flatten().filter_map(|place| place.as_str()) {
                if place == QUERY && !has_header_carrier(proxy) {
                    findings.warning("the app gets to see the credential in its query, as does every log", fixes::credential_in_query());
                } else {
                    findings.failed(format!("the app gets to see the credential ({place})"), fixes::credential(place));
                }
            }
        }
        None => {
            let body = &proxy.first.answer.body;
            if body.contains(proxy.key.raw()) {
                findings.failed("the app gets to see the credential", fixes::credential("Authorization"));
            } else if !body.contains(proxy.tools.visit.account()) {
                return Ok(unseen(NAME, proxy, findings));
            }
        }
    }
    Ok(findings.check(NAME, "the credential does not reach the app"))
}

fn may_see_credential(proxy: &Proxy<'_>) -> bool {
    proxy.tools.policy.upstream.pass_credential
}

/// Whether a credential can be carried in a header at all.
fn has_header_carrier(proxy: &Proxy<'_>) -> bool {
    proxy.tools.policy.keys.carriers.iter().any(|carrier| !matches!(carrier, Carrier::Query(_)))
}

/// What the app gets cannot be seen; what was found all the same is told.
fn unseen(name: &'static str, proxy: &Proxy<'_>, findings: Findings) -> Check {
    if !findings.is_empty() {
        return findings.check(name, "");
    }
    let (prefix, target) = (&proxy.tools.server.prefix, &proxy.target);
    if proxy.is_probe_without_key {
        let detail = format!(
            "what reaches the app cannot be seen: {prefix}/v1/probe reaches tollgate without {KEY}, and GET {target} does not show it"
        );
        return Check::not_proven(name, detail, format!("{}\n{}", fixes::identity(KEY), fixes::probe(prefix)));
    }
    let detail = format!("what reaches the app cannot be seen: {prefix}/v1/probe is not passed on, and GET {target} does not show it");
    Check::not_proven(name, detail, fixes::probe(prefix))
}
