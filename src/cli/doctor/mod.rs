//! `tollgate doctor`: proves that this machine, the server, and the proxy before it are fit, and takes back whatever it made.

mod clock;
mod expected;
mod machine;
mod plans;
mod report;
mod server;
mod through;
mod visit;
mod wire;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use http::Method;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use self::expected::{About, Expected, verdict_of};
use self::machine::{Scratch, millis};
use self::plans::roomy;
use self::report::{Check, Report};
use self::server::Server;
use self::visit::{Carried, Key, Visit, carry};
use self::wire::{Answer, Wire};
use super::Failure;
use super::args::DoctorArgs;
use super::output::Output;
use crate::config::Policy;
use crate::domain::route::Route;

/// What is asked for.
struct Wanted {
    /// The proxy, and how it was named.
    through: Option<(Wire, String)>,
    address: Option<IpAddr>,
    path: String,
}

impl Wanted {
    fn read(args: DoctorArgs) -> Result<Self, Failure> {
        let through = match args.through {
            Some(url) => {
                let wire = Wire::to_url(&url, args.ca.as_deref()).map_err(Failure::Use)?;
                Some((wire.apart(args.address.is_none()), url.trim_end_matches('/').to_owned()))
            }
            None => None,
        };
        let path = args.path.unwrap_or_else(|| "/".into());
        if path.parse::<http::uri::PathAndQuery>().is_err() || !path.starts_with('/') || path.contains('#') {
            return Err(Failure::Use(format!("--path {path}: write it as a request has it, such as /v1/sets")));
        }
        Ok(Self { through, address: args.address, path })
    }
}

/// Looks at everything, takes back what was made, and tells what was found.
pub async fn run(args: DoctorArgs, file: Option<&Path>, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let wanted = Wanted::read(args)?;
    let cannot = |error| Failure::Failed(format!("signals cannot be caught: {error}"));
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate()).map_err(cannot)?, signal(SignalKind::interrupt()).map_err(cannot)?);
    let scratch = match Scratch::make(&policy.server.database) {
        Ok(None) => return Err(Failure::Failed("another doctor is at work on this database: wait until it is done".into())),
        Ok(Some(scratch)) => Ok(scratch),
        Err(error) => Err(error),
    };
    let mut report = Report::default();
    let mut server = None;
    let is_interrupted = tokio::select! {
        () = look(&wanted, file, &policy, &scratch, &mut report, &mut server) => false,
        _ = terminate.recv() => true,
        _ = interrupt.recv() => true,
    };
    if let Some(server) = server {
        report.add(visit::end(&server).await);
        server.close().await;
    }
    drop(scratch);
    if is_interrupted {
        return Err(Failure::Failed("interrupted; what the doctor had made is taken back".into()));
    }
    let is_fit = report.is_fit();
    report.tell(&policy, output);
    if is_fit { Ok(()) } else { Err(Failure::No) }
}

/// One thing after the other. The server that was found stays with the caller, who takes back what was made there.
async fn look(
    wanted: &Wanted,
    file: Option<&Path>,
    policy: &Arc<Policy>,
    scratch: &std::io::Result<Scratch>,
    report: &mut Report,
    found: &mut Option<Server>,
) {
    let database = &policy.server.database;
    report.add(machine::config(file, policy));
    if policy.sign_in.enabled {
        report.add(machine::sign_in(policy));
    }
    report.add(machine::disk(database, scratch));
    let server = match Server::find(policy, wanted.through.is_some()).await {
        Ok(server) => found.insert(server),
        Err(check) => {
            if !check.is_of(server::DATABASE) {
                report.add(server::unserved_database(database).await);
            }
            report.add(check);
            report.add(machine::files(database, server::rightful_owner(database, scratch.as_ref().ok().and_then(Scratch::owner))));
            report.add(clock::clock(None).await);
            upstream(policy, report).await;
            return;
        }
    };
    report.server = Some(server.kind());
    report.add(server.database().await);
    report.add(machine::files(database, server.user()));
    report.add(clock::clock(server.newest()).await);
    server.open_files().into_iter().for_each(|check| report.add(check));
    report.add(server.answers().await);
    if let Some(check) = server.other_configuration(file, policy) {
        report.add_first(check);
        return untried(wanted, policy, report);
    }
    server.waiting().into_iter().for_each(|check| report.add_first(check));
    let Some(visit) = arrive(server, policy, report).await else { return upstream(policy, report).await };
    report.add(
        round_trip(server, policy, &visit).await.unwrap_or_else(|error| Check::failed("round_trip", error, "read the log of tollgate")),
    );
    upstream(policy, report).await;
    if let Some((wire, url)) = &wanted.through {
        let (wire, url, path) = (wire.clone(), url.clone(), wanted.path.clone());
        let fixes = through::Fixes::of(&server.prefix, policy);
        through::prove(through::Tools { policy, server, visit: &visit, wire, url, address: wanted.address, path, fixes }, report).await;
    }
}

/// What cannot be judged by another configuration than the server's.
fn untried(wanted: &Wanted, policy: &Policy, report: &mut Report) {
    let (has_app, has_proxy) = (policy.upstream.target.is_some(), wanted.through.is_some());
    for (name, _) in [("round_trip", true), ("upstream", has_app), ("proxy", has_proxy)].into_iter().filter(|(_, is_wanted)| *is_wanted) {
        let detail = "not tried: the keys, plans and limits that are known here are not the server's";
        report.add(Check::not_proven(name, detail, "see to it that the server and the doctor have the same configuration"));
    }
}

/// Takes the doctor's account, on a plan that may call.
async fn arrive(server: &Server, policy: &Policy, report: &mut Report) -> Option<Visit> {
    const NAME: &str = "round_trip";
    let Some(room) = roomy(policy, &Route::default()) else {
        report.add(Check::not_proven(NAME, "no plan has API access, so no key can pass", "a plan with api = true"));
        return None;
    };
    match Visit::begin(server, &room).await {
        Ok(visit) => Some(visit),
        Err(error) => {
            report.add(Check::failed(NAME, format!("no account can be made: {error}"), "read the log of tollgate"));
            None
        }
    }
}

/// A key is made, passes, is revoked, and is refused at the very next request: over the public listener, as clients come.
async fn round_trip(server: &Server, policy: &Policy, visit: &Visit) -> Result<Check, String> {
    const NAME: &str = "round_trip";
    let room = roomy(policy, &Route::default()).map(|room| room.limits).unwrap_or_default();
    let key = visit.key(server, json!({ "limits": room })).await?;
    let Some(wire) = &server.wire else { return round_trip_by_control(server, &key).await };
    let began = Instant::now();
    let passed = who_am_i(wire, server, policy, &key).await?;
    let took = millis(began.elapsed());
    let verdict = Expected::of(server, About { key: Some(key.raw()), ..About::default() }).await?.verdict;
    key.revoke(server).await?;
    let refused = who_am_i(wire, server, policy, &key).await?;
    let told = |answer: &Answer| verdict_of(policy, answer).unwrap_or_else(|| answer.status.as_u16().to_string());
    let by_control = Expected::of(server, About { key: Some(key.raw()), ..About::default() }).await?.verdict;
    Ok(if !passed.status.is_success() || passed.header("x-auth-key").as_deref() != Some(key.id.as_str()) {
        let fix = if policy.server.require_https {
            "where tollgate is reached over plain HTTP alone: [server] trusted_proxies must name the proxy that speaks HTTPS"
        } else {
            "read the log of tollgate"
        };
        Check::failed(NAME, format!("a new key does not pass: {}", told(&passed)), fix)
    } else if refused.status.is_success() || by_control != "revoked" {
        Check::failed(NAME, format!("a revoked key is not refused: {}", told(&refused)), "stop tollgate, and report this")
    } else {
        Check::ok(NAME, format!("a key passed after {took} (verify: {verdict}), and was refused at the request after its revocation"))
    })
}

/// The same of a gate that has no listener: what it says of the key.
async fn round_trip_by_control(server: &Server, key: &Key) -> Result<Check, String> {
    const NAME: &str = "round_trip";
    let about = About { key: Some(key.raw()), ..About::default() };
    let before = Expected::of(server, about).await?.verdict;
    key.revoke(server).await?;
    let after = Expected::of(server, about).await?.verdict;
    Ok(if before == "ok" && after == "revoked" {
        Check::ok(NAME, "the gate lets a key pass, and refuses it once it is revoked")
    } else {
        Check::failed(NAME, format!("the gate calls a new key '{before}', and once it is revoked '{after}'"), "read the log of the program")
    })
}

/// Asks the public listener who a key is.
async fn who_am_i(wire: &Wire, server: &Server, policy: &Policy, key: &Key) -> Result<Answer, String> {
    let mut target = format!("{}/v1/me", server.prefix);
    let mut headers = Vec::new();
    match carry(&policy.keys.carriers, key.raw()) {
        Carried::Header(name, value) => headers.push((name, value)),
        Carried::Query(name, value) => {
            let pair = form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish();
            target = format!("{target}?{pair}");
        }
    }
    if policy.server.require_https {
        headers.push(("x-forwarded-proto".into(), "https".into()));
    }
    wire.send(Method::GET, &target, &headers).await
}

/// The app behind the gate, where there is one.
async fn upstream(policy: &Policy, report: &mut Report) {
    const NAME: &str = "upstream";
    let Some(target) = &policy.upstream.target else { return };
    let (wire, began) = (Wire::to_app(target), Instant::now());
    if let Err(error) = wire.reach().await {
        let fix = "start the app, or name where it listens in [upstream] url";
        return report.add(Check::failed(NAME, format!("{target} cannot be reached: {error}"), fix));
    }
    report.add(Check::ok(NAME, format!("{target} accepts after {}", millis(began.elapsed()))));
    if let Ok(answer) = wire.send(Method::HEAD, "/", &[]).await {
        clock::against("upstream_clock", "the app", &answer).into_iter().for_each(|check| report.add(check));
    }
}
