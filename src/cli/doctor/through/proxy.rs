//! The proxy as the doctor meets it: how it is called, and how much can be seen through it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::expected::{About, Expected, verdict_of};
use super::super::machine::millis;
use super::super::plans::{Room, roomy};
use super::super::report::Check;
use super::super::server::Server;
use super::super::visit::{Carried, Key, Visit, carry, carry_by};
use super::super::wire::{Answer, Wire};
use super::fixes::Fixes;
use crate::config::Policy;
use crate::domain::carrier::Carrier;
use crate::http::probe;

/// What a proxy says that does not reach what it should.
const OF_A_PROXY: [StatusCode; 3] = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];

/// How long a limit of somebody else's is waited for, and how often.
const MOST_WAITING: u64 = 5;
const TRIES: usize = 3;

/// A header that nobody has a reason to drop: where the app's answer shows it, it shows the others too.
const WITNESS: (&str, &str) = ("x-doctor-witness", "seen-by-the-app");

/// A header of a request.
pub type Header = (String, String);

/// What there is to work with.
#[derive(Clone)]
pub struct Tools<'a> {
    /// The configuration.
    pub policy: &'a Arc<Policy>,
    /// The server.
    pub server: &'a Server,
    /// The doctor's account.
    pub visit: &'a Visit,
    /// The proxy.
    pub wire: Wire,
    /// The proxy, as it was named.
    pub url: String,
    /// The address that clients are told to have, where it is not this machine's own.
    pub address: Option<IpAddr>,
    /// A path of the app.
    pub path: String,
    /// What to say where something is not right.
    pub fixes: Fixes,
}

/// How the app's side is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eyes {
    /// By the probe, header by header.
    Probe,
    /// By what the app answers with this status, which may show its headers, or not.
    App(u16),
}

/// A proxy that answers.
pub struct Proxy<'a> {
    /// What there is to work with.
    pub tools: Tools<'a>,
    /// The key that most calls are made with.
    pub key: Key,
    /// A plan that may call, with room for every call.
    room: Room,
    /// The path that is called.
    pub target: String,
    /// How the app's side is seen.
    pub eyes: Eyes,
    /// The address that clients are told to have.
    pub own: Option<IpAddr>,
    /// The first answer.
    pub first: Seen,
    /// Whether the probe's path leads to tollgate, which is not told there who calls.
    pub is_probe_without_key: bool,
    /// Whether it believes there what a client says of its key.
    pub lets_key_through: bool,
}

/// An answer, and what the probe said in it.
pub struct Seen {
    /// The answer.
    pub answer: Answer,
    /// What the probe said.
    pub probe: Option<Value>,
}

impl Seen {
    fn of(answer: Answer) -> Self {
        let told = serde_json::from_str::<Value>(&answer.body).ok().filter(|_| answer.status.is_success());
        let probe = told.filter(|body| body["headers"].is_array() && body["cookies"].is_array() && body["credential"].is_array());
        Self { answer, probe }
    }

    /// The values of a header that the app would get.
    pub fn values(&self, name: &str) -> Vec<String> {
        self.pairs().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// Every header that the probe tells of.
    pub fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = self.probe.iter().flat_map(|probe| probe["headers"].as_array().into_iter().flatten());
        pairs.filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned())))
    }

    /// Whether a text stands in the answer: in its body, or in a header.
    pub fn shows(&self, text: &str) -> bool {
        self.answer.body.contains(text)
            || self.answer.headers.values().any(|value| String::from_utf8_lossy(value.as_bytes()).contains(text))
    }

    /// Whether the answer shows the headers that the app got: the one that came along for that.
    pub fn shows_headers(&self) -> bool {
        self.shows(WITNESS.1)
    }

    /// Whether tollgate itself says that there is nothing.
    pub fn is_nothing_here(&self) -> bool {
        let is_problem = self.answer.header("content-type").is_some_and(|media| media == "application/problem+json");
        is_problem && self.answer.status == StatusCode::NOT_FOUND && self.answer.body.contains("There is nothing at this path.")
    }

    /// The addresses that the probe knows of: the client's, as far as it was told, and the proxy's.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let text = |name: &str| self.probe.as_ref().and_then(|probe| probe[name].as_str());
        let peer = text("peer").and_then(|peer| peer.parse::<SocketAddr>().ok()).map(|peer| peer.ip());
        let client = text("client").and_then(|client| client.parse::<IpAddr>().ok());
        client.into_iter().chain(peer)
    }

    /// Whether tollgate itself was called, and no proxy before it.
    pub fn is_direct(&self) -> bool {
        let peer = self.probe.as_ref().and_then(|probe| probe["peer"].as_str());
        peer.is_some() && peer == self.answer.local.map(|local| local.to_string()).as_deref()
    }
}

impl<'a> Proxy<'a> {
    /// Calls it with a good key: by the probe's path, else by one of the app's.
    pub async fn meet(tools: Tools<'a>) -> Result<(Self, Check), Check> {
        let probe = format!("{}{}", tools.server.prefix, probe::PATH);
        let began = Instant::now();
        let (room, key, seen) = tools.knock(&probe).await?;
        let took = millis(began.elapsed());
        if seen.probe.is_some() {
            let detail = format!("{} answers after {took}, and passes the probe on", tools.url);
            let check = on_its_way(&tools, &seen, detail);
            return Ok((Self::of(tools, room, key, probe, Eyes::Probe, seen), check));
        }
        let is_probe_without_key = seen.is_nothing_here();
        let lets_key_through = is_probe_without_key && tools.forges_key(&probe, &key).await;
        let path = tools.path.clone();
        let (room, key, seen) = tools.knock(&path).await?;
        tools.expect_an_app(&path, &key, &seen).await?;
        tools.expect_a_proxy_with_a_site(&path, &key, &seen).await?;
        let status = seen.answer.status.as_u16();
        let detail = if tools.server.wire.is_none() {
            format!("{} answers after {took}; the gate is inside it: GET {path} is called ({status})", tools.url)
        } else {
            format!("{} answers after {took}, and does not pass the probe on: GET {path} is called instead ({status})", tools.url)
        };
        let check = on_its_way(&tools, &seen, detail);
        Ok((Self { is_probe_without_key, lets_key_through, ..Self::of(tools, room, key, path, Eyes::App(status), seen) }, check))
    }

    /// The same proxy by the app's own path, with a good key.
    pub async fn at_app(&self) -> Result<Self, Check> {
        let (tools, path) = (self.tools.clone(), self.tools.path.clone());
        let (room, key, seen) = tools.knock(&path).await?;
        tools.expect_an_app(&path, &key, &seen).await?;
        let status = seen.answer.status.as_u16();
        Ok(Self::of(tools, room, key, path, Eyes::App(status), seen))
    }

    fn of(tools: Tools<'a>, room: Room, key: Key, target: String, eyes: Eyes, first: Seen) -> Self {
        let own = tools.address.or(first.answer.local.map(|local| local.ip()));
        Self { tools, key, room, target, eyes, own, first, is_probe_without_key: false, lets_key_through: false }
    }

    /// Another key that may call, for these addresses alone.
    pub async fn key_for(&self, addresses: &[&str]) -> Result<Key, String> {
        self.tools.key(&self.room, addresses).await
    }

    /// Calls it with a key, or none, and these headers.
    pub async fn ask(&self, key: Option<&Key>, headers: &[Header]) -> Result<Seen, String> {
        self.tools.call(key, &self.target, headers).await
    }

    /// The same; a limit that others ran into too is waited for.
    pub async fn ask_patiently(&self, key: Option<&Key>, headers: &[Header]) -> Result<Seen, String> {
        let mut tries = 1;
        loop {
            let seen = self.ask(key, headers).await?;
            let seconds = seen.answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
            match seconds.filter(|seconds| *seconds <= MOST_WAITING && seen.answer.status == StatusCode::TOO_MANY_REQUESTS) {
                Some(seconds) if tries < TRIES => tokio::time::sleep(Duration::from_secs(seconds)).await,
                _ => return Ok(seen),
            }
            tries += 1;
        }
    }

    /// Whether the gate is inside the app that answers.
    pub fn is_embedded(&self) -> bool {
        self.tools.server.wire.is_none()
    }

    /// Whether an answer is a pass.
    pub fn is_pass(&self, seen: &Seen) -> bool {
        match self.eyes {
            Eyes::Probe => seen.probe.is_some(),
            Eyes::App(status) => seen.answer.status.as_u16() == status && verdict_of(self.tools.policy, &seen.answer).is_none(),
        }
    }

    /// Whether an answer came from behind the proxy, pass or not: the probe has nothing for whom it does not know.
    pub fn is_let_through(&self, seen: &Seen) -> bool {
        seen.answer.status.is_success() || self.is_pass(seen) || seen.answer.status == StatusCode::NOT_FOUND
    }

    /// Whether the proxy went on to an app that does not answer it.
    pub fn is_gone_on(&self, seen: &Seen) -> bool {
        OF_A_PROXY.contains(&seen.answer.status) && verdict_of(self.tools.policy, &seen.answer).is_none()
    }

    /// What a call with that key should be told now.
    pub async fn expected(&self, raw: Option<&str>) -> Result<Expected, String> {
        Expected::of(self.tools.server, About { key: raw, path: Some(path_of(&self.target)), ip: self.own }).await
    }

    /// Calls with the key in this one of the carriers.
    pub async fn ask_by(&self, carrier: &Carrier) -> Result<Seen, String> {
        let carried = carry_by(Some(carrier), &self.tools.policy.keys.carriers, self.key.raw());
        self.tools.send(Some(carried), &self.target, &[]).await
    }

    /// What an answer that is no pass says, for people.
    pub fn told(&self, answer: &Answer) -> String {
        let status = answer.status.as_u16();
        verdict_of(self.tools.policy, answer).map_or_else(|| format!("{status}"), |verdict| format!("{status}, {verdict}"))
    }
}

impl Tools<'_> {
    /// Calls a path with a key that may call it.
    async fn knock(&self, target: &str) -> Result<(Room, Key, Seen), Check> {
        let failed = |error: String| Check::failed("proxy", error, self.fixes.unknown());
        let route = self.policy.routes.of("GET", path_of(target));
        let room = roomy(self.policy, route).ok_or_else(|| failed(format!("no plan with API access may call {target}")))?;
        let key = self.key(&room, &[]).await.map_err(failed)?;
        let seen = self.call(Some(&key), target, &[]).await.map_err(|error| unreachable(&self.url, &error))?;
        judge(self, &seen.answer)?;
        Ok((room, key, seen))
    }

    /// Neither tollgate itself with nothing behind it, nor a proxy that has no site for the name that it is called by.
    async fn expect_a_proxy_with_a_site(&self, path: &str, key: &Key, seen: &Seen) -> Result<(), Check> {
        let Some(server) = self.server.wire.as_ref().filter(|_| self.policy.upstream.target.is_none()) else { return Ok(()) };
        // Whom it lets pass tollgate tells the proxy alone, which keeps it.
        if seen.answer.header("x-auth-key").as_deref() == Some(&key.id) {
            let is_itself = server.leads_where(&self.wire) || seen.answer.body.is_empty();
            let what =
                if is_itself { "this is tollgate itself, without an app behind it" } else { "the client is told who calls, as a proxy is" };
            let detail = format!("{what}: GET {path} with a good key is answered with X-Auth-Key");
            return Err(Check::failed("proxy", detail, self.fixes.no_app()));
        }
        let is_bare = |seen: &Seen| seen.answer.status.is_success() && (seen.answer.body.is_empty() || seen.shows("Welcome to nginx!"));
        let health = format!("{}/v1/health", self.server.prefix);
        if is_bare(seen)
            && self.call(None, &health, &[]).await.is_ok_and(|seen| is_bare(&seen) || seen.answer.status == StatusCode::NOT_FOUND)
        {
            let detail =
                format!("the proxy has no site for the name {}: it answers for itself ({})", self.wire.host(), seen.answer.status.as_u16());
            return Err(Check::failed("proxy", detail, self.fixes.no_site(self.wire.host())));
        }
        Ok(())
    }

    /// Whether the probe answers once the client itself says who calls.
    async fn forges_key(&self, probe: &str, key: &Key) -> bool {
        let forged = [("x-auth-key".to_owned(), key.id.clone())];
        self.call(Some(key), probe, &forged).await.is_ok_and(|seen| seen.probe.is_some())
    }

    /// A good key must get an answer of the app's, and not one of the proxy's that something is out of reach; else what is.
    async fn expect_an_app(&self, path: &str, key: &Key, seen: &Seen) -> Result<(), Check> {
        let status = seen.answer.status;
        let is_of_a_proxy = OF_A_PROXY.contains(&status);
        if !is_of_a_proxy && status != StatusCode::INTERNAL_SERVER_ERROR {
            return Ok(());
        }
        let is_open = self.policy.routes.of("GET", path_of(path)).open;
        let was_asked = is_open || key.was_used(self.server).await.unwrap_or(false);
        if was_asked && !is_of_a_proxy {
            return Ok(());
        }
        let told = format!("GET {path} with a good key is answered {}", status.as_u16());
        let failed = |why: &str, fix: String| Err(Check::failed("proxy", format!("{told}{why}"), fix));
        let health = format!("{}/v1/health", self.server.prefix);
        let reaches = self.call(None, &health, &[]).await.is_ok_and(|seen| seen.answer.status.is_success() && seen.shows("\"ok\""));
        if was_asked {
            return failed(", and tollgate let it pass: the app does not answer the proxy", self.fixes.app_down());
        }
        if reaches {
            return failed(", and tollgate was not asked about it, which the proxy reaches", self.fixes.unguarded());
        }
        failed(", and the proxy does not reach tollgate", self.fixes.out_of_reach(self.server.listening()))
    }

    async fn key(&self, room: &Room, addresses: &[&str]) -> Result<Key, String> {
        self.visit.key(self.server, json!({ "plan": room.plan, "limits": room.limits, "ips": addresses })).await
    }

    async fn call(&self, key: Option<&Key>, target: &str, headers: &[Header]) -> Result<Seen, String> {
        self.send(key.map(|key| carry(&self.policy.keys.carriers, key.raw())), target, headers).await
    }

    async fn send(&self, carried: Option<Carried>, target: &str, headers: &[Header]) -> Result<Seen, String> {
        let mut headers = headers.to_vec();
        headers.push((WITNESS.0.into(), WITNESS.1.into()));
        let mut target = target.to_owned();
        match carried {
            Some(Carried::Header(name, value)) => headers.push((name, value)),
            Some(Carried::Query(name, value)) => {
                let pair = form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish();
                target = format!("{target}{}{pair}", if target.contains('?') { '&' } else { '?' });
            }
            None => {}
        }
        self.wire.send(Method::GET, &target, &headers).await.map(Seen::of)
    }
}

/// A target without its query.
pub fn path_of(target: &str) -> &str {
    crate::domain::path::split(target).0
}

/// It answers; keys that go over a network unprotected are a warning.
fn on_its_way(tools: &Tools<'_>, seen: &Seen, detail: String) -> Check {
    const NAME: &str = "proxy";
    if tools.wire.is_plain() && seen.answer.local.is_some_and(|local| !local.ip().is_loopback()) {
        return Check::warning(
            NAME,
            format!("{detail}; by plain HTTP, so keys can be read on their way"),
            "let the proxy speak HTTPS, and call that address",
        );
    }
    Check::ok(NAME, detail)
}

fn unreachable(url: &str, error: &str) -> Check {
    let fix = if error.starts_with("TLS") {
        "renew the certificate; where a private authority signed it, name that with --ca FILE"
    } else {
        "start the proxy, or name the address where it listens"
    };
    Check::failed("proxy", format!("{url} does not answer: {error}"), fix)
}

/// Whether an answer to a good key shows that nothing further can be tried.
fn judge(tools: &Tools<'_>, answer: &Answer) -> Result<(), Check> {
    const NAME: &str = "proxy";
    if answer.status.is_redirection() {
        let to = answer.header("location").unwrap_or_default();
        return Err(Check::failed(NAME, format!("{} sends everybody on to {to}", tools.url), "name that address with --through"));
    }
    let Some(verdict) = verdict_of(tools.policy, answer) else { return Ok(()) };
    let fix = match verdict.as_str() {
        "ambiguous" => tools.fixes.ambiguous(),
        "insecure" => tools.fixes.insecure(),
        "missing" | "malformed" => tools.fixes.credential_lost(),
        "unknown" | "reserved" | "revoked" => {
            "let the proxy ask this tollgate: another one, with another database, does not know the key".into()
        }
        "unavailable" => "read the log of tollgate, and see why it cannot decide".into(),
        "upstream_down" | "upstream_timeout" => "start the app, or mend [upstream] url".into(),
        _ => tools.fixes.unknown(),
    };
    Err(Check::failed(NAME, format!("a good key is refused: {}, {verdict}", answer.status.as_u16()), fix))
}
