//! What reaches the app: who calls, and nothing that the client made up.

use super::super::report::{Check, Findings};
use super::super::visit::{Carried, carry_by};
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
    ("X-Forwarded-Uri", "/forged-uri//x", "forged-uri"),
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
    if proxy.lets_key_through {
        findings.failed(format!("a forged {KEY} reaches the app: it is believed by the probe"), proxy.tools.fixes.identity(KEY));
    }
    let mut is_seen = true;
    for (names, may_be_refused) in [(&plain, false), (&alone, false), (&underscored, true)] {
        let seen = proxy.ask_patiently(Some(&proxy.key), &forged(names)).await?;
        is_seen &= proxy.eyes == Eyes::Probe || seen.shows_headers();
        for name in names {
            let leaks = seen.values(name).iter().any(|value| value.contains(&canary(name)));
            if leaks || (proxy.eyes != Eyes::Probe && seen.shows(&canary(name))) {
                findings.failed(format!("a forged {name} reaches the app"), proxy.tools.fixes.identity(name));
            }
        }
        let hides_key = names.iter().any(|name| name.replace('_', "-") == KEY) && seen.is_nothing_here();
        if proxy.eyes == Eyes::Probe && hides_key {
            let name = names.last().filter(|_| *names == alone).map_or("X_Auth_Key", |name| name);
            findings.failed(format!("a forged {name} takes the true one's place"), proxy.tools.fixes.identity(name));
        } else if !(proxy.is_pass(&seen) || may_be_refused && seen.answer.status.is_client_error()) {
            findings.failed(
                format!("with a forged {} a good key is answered {}", names.join(", "), proxy.told(&seen.answer)),
                proxy.tools.fixes.unknown(),
            );
        }
    }
    match proxy.eyes {
        Eyes::Probe => compare_identity(proxy, &proxy.first, &mut findings),
        Eyes::App(_) if !is_seen => return Ok(unseen(NAME, proxy, findings)),
        Eyes::App(_) if !proxy.first.shows(proxy.tools.visit.account()) => {
            let detail = format!("GET {} shows the headers that it gets, and X-Auth-Account is not among them", proxy.target);
            findings.warning(detail, proxy.tools.fixes.identity("X-Auth-Account"));
        }
        Eyes::App(_) => {}
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
            findings.warning(format!("{name} does not reach the app"), proxy.tools.fixes.identity(name));
        } else if values.len() > 1 || values.first().zip(known).is_some_and(|(value, known)| *value != known) {
            findings.failed(format!("{name} reaches the app with another value"), proxy.tools.fixes.identity(name));
        }
    }
}

/// What a client says of itself is believed by nobody.
pub async fn forwarded(proxy: &Proxy<'_>) -> Result<Check, String> {
    const NAME: &str = "proxy_forwarded";
    let trusted = &proxy.tools.policy.server.trusted_proxies;
    if proxy.first.is_direct() && crate::domain::address::within(trusted, proxy.own) {
        let detail = "tollgate itself was called, from an address that counts as a proxy's and so is believed";
        return Ok(Check::not_proven(NAME, detail, proxy.tools.fixes.direct()));
    }
    let mut findings = Findings::default();
    let mut is_seen = true;
    for (name, value, canary) in FORWARDED.iter() {
        let seen = proxy.ask_patiently(Some(&proxy.key), &[((*name).into(), (*value).into())]).await?;
        is_seen &= proxy.eyes == Eyes::Probe || seen.shows_headers();
        let leaks = match proxy.eyes {
            Eyes::Probe => seen.pairs().any(|(_, value)| value.contains(canary)),
            Eyes::App(_) => seen.shows(canary),
        };
        if leaks && !proxy.is_embedded() {
            findings.failed(format!("a forged {name} reaches the app"), proxy.tools.fixes.forwarded(name));
        } else if !proxy.is_pass(&seen) {
            findings.failed(
                format!("a forged {name} is believed: a good key is answered {}", proxy.told(&seen.answer)),
                proxy.tools.fixes.forwarded(name),
            );
        }
    }
    forged_address(proxy, &mut findings).await?;
    if proxy.is_embedded() {
        if !findings.is_empty() && crate::domain::address::within(trusted, proxy.own) {
            let detail = "the program was called from an address that counts as a proxy's and so is believed";
            return Ok(Check::not_proven(NAME, detail, proxy.tools.fixes.direct()));
        }
        return Ok(findings.check(NAME, "the gate believes no forged X-Forwarded-*, Forwarded or X-Real-IP"));
    }
    if !is_seen {
        return Ok(unseen(NAME, proxy, findings));
    }
    let names: Vec<&str> = FORWARDED.iter().map(|(name, ..)| *name).collect();
    Ok(findings.check(NAME, format!("forged {} are not believed, and do not reach the app", names.join(", "))))
}

/// A key that is for the forged address alone must not pass because the client says that it is there.
async fn forged_address(proxy: &Proxy<'_>, findings: &mut Findings) -> Result<(), String> {
    let elsewhere = proxy.key_for(&[FORGED]).await?;
    for (name, value, _) in FORWARDED.iter().filter(|(_, value, _)| value.contains(FORGED)) {
        let seen = proxy.ask_patiently(Some(&elsewhere), &[((*name).into(), (*value).into())]).await?;
        if proxy.is_pass(&seen) {
            findings.failed(format!("a forged {name} is taken for the client's address"), proxy.tools.fixes.forwarded(name));
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
        findings.failed("a cookie that was sent does not arrive as it was", proxy.tools.fixes.cookies());
    }
    let set: Vec<&str> = probe["cookies"].as_array().into_iter().flatten().filter_map(|cookie| cookie.as_str()).collect();
    let got: Vec<_> =
        seen.answer.headers.get_all(http::header::SET_COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    if got.len() < set.len() {
        findings.failed(format!("of {} Set-Cookie headers {} come through", set.len(), got.len()), proxy.tools.fixes.cookies());
    } else if set.iter().any(|cookie| got.iter().all(|got| got != cookie)) {
        findings.failed("a Set-Cookie header comes through changed", proxy.tools.fixes.cookies());
    }
    Ok(findings.check(NAME, format!("{} Set-Cookie headers come through as they were, and a Cookie arrives", set.len())))
}

/// The app does not get to see the credential, unless it is meant to.
pub async fn credential(proxy: &Proxy<'_>) -> Result<Check, String> {
    const NAME: &str = "proxy_credential";
    if may_see_credential(proxy) {
        return Ok(Check::ok(NAME, "the app may see it: [upstream] pass_credential = true"));
    }
    let (mut findings, mut tried, mut is_seen) = (Findings::default(), Vec::new(), true);
    for carrier in &proxy.tools.policy.keys.carriers {
        let seen = proxy.ask_by(carrier).await?;
        if !proxy.is_pass(&seen) {
            // A proxy may take this one away before tollgate is asked.
            continue;
        }
        tried.push(carrier.to_string());
        is_seen &= seen.probe.is_some() || seen.shows_headers();
        for place in places(proxy, carrier, &seen) {
            if place == QUERY {
                let detail = format!("with {carrier} the credential stays in the URL, for the app and every log to see");
                findings.warning(detail, proxy.tools.fixes.credential_in_query());
            } else {
                findings.failed(format!("the app gets to see the credential of {carrier} ({place})"), proxy.tools.fixes.credential(&place));
            }
        }
    }
    if tried.is_empty() || !is_seen {
        return Ok(unseen(NAME, proxy, findings));
    }
    Ok(findings.check(NAME, format!("the credential does not reach the app (tried: {})", tried.join(", "))))
}

/// Where the app would find the credential.
fn places(proxy: &Proxy<'_>, carrier: &Carrier, seen: &Seen) -> Vec<String> {
    if let Some(probe) = &seen.probe {
        return probe["credential"].as_array().into_iter().flatten().filter_map(|place| place.as_str().map(str::to_owned)).collect();
    }
    let carried = match carry_by(Some(carrier), &proxy.tools.policy.keys.carriers, proxy.key.raw()) {
        Carried::Header(name, value) => (name, value),
        Carried::Query(_, value) => (QUERY.to_owned(), value),
    };
    // With its scheme or without.
    let secret = carried.1.rsplit(' ').next().unwrap_or_default();
    if seen.shows(secret) { vec![carried.0] } else { Vec::new() }
}

fn may_see_credential(proxy: &Proxy<'_>) -> bool {
    proxy.tools.policy.upstream.pass_credential
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
        return Check::not_proven(name, detail, format!("{}\n{}", proxy.tools.fixes.identity(KEY), proxy.tools.fixes.probe()));
    }
    let detail = format!("what reaches the app cannot be seen: {prefix}/v1/probe is not passed on, and GET {target} does not show it");
    Check::not_proven(name, detail, proxy.tools.fixes.probe())
}
