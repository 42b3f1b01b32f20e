//! What the client is told: refusals, its own address, limits, revocation.

use std::net::IpAddr;
use std::time::Instant;

use serde_json::{Value, json};

use super::super::expected::Expected;
use super::super::plans::{BEARABLE, Tight, tight};
use super::super::report::{Check, Findings};
use super::super::visit::Key;
use super::fixes::Fixes;
use super::headers::FORGED;
use super::proxy::{Proxy, Seen, path_of};
use crate::domain::limit::Shape;
use crate::domain::time::Timestamp;

/// How a look at refusals ended.
pub enum Refused {
    /// It could be looked at.
    Told(Check),
    /// Nobody asks tollgate: nothing else needs to be tried.
    Unguarded(Check),
}

/// A call without a key gets the style's answer, whole.
pub async fn refusal(proxy: &Proxy<'_>) -> Result<Refused, String> {
    const NAME: &str = "proxy_refusal";
    let (expected, seen) = turned_away(proxy).await?;
    let target = &proxy.target;
    if expected.passes() {
        let detail = format!("{target} needs no key: it is an open route");
        return Ok(Refused::Told(Check::not_proven(NAME, detail, "name a path that needs a key with --path")));
    }
    let (differences, status) = (expected.differences(&seen.answer), seen.answer.status.as_u16());
    if differences.is_empty() {
        let detail = format!("comes through as the style tells it (GET {target}: {status}, {})", expected.verdict);
        return Ok(Refused::Told(Check::ok(NAME, detail)));
    }
    if proxy.is_let_through(&seen) || proxy.is_gone_on(&seen) {
        let detail = format!("GET {target} should be refused ({}) and is let through: {status}", expected.verdict);
        return Ok(Refused::Unguarded(Check::failed(NAME, detail, proxy.tools.fixes.unguarded())));
    }
    Ok(Refused::Told(Check::failed(NAME, garbled(&expected, &differences), proxy.tools.fixes.refusal())))
}

/// What somebody should be told whom nobody knows, and what they are told. Where callers without a key are let in, it is one
/// with a key that was never made.
async fn turned_away(proxy: &Proxy<'_>) -> Result<(Expected, Seen), String> {
    let missing = proxy.expected(None).await?;
    if !missing.passes() {
        return Ok((missing, proxy.ask(None, &[]).await?));
    }
    let environment = proxy.tools.policy.keys.environments.default().ok_or("there is no environment for keys")?;
    let stranger = Key::unknown(environment.generate());
    Ok((proxy.expected(Some(stranger.raw())).await?, proxy.ask(Some(&stranger), &[]).await?))
}

/// A refusal that does not come through whole.
fn garbled(expected: &Expected, differences: &[String]) -> String {
    format!("{} does not come through as the style tells it: {}", expected.verdict, differences.join("; "))
}

/// tollgate takes the client for who it is.
pub async fn address(proxy: &Proxy<'_>) -> Result<Check, String> {
    const NAME: &str = "proxy_address";
    let Some(own) = proxy.own else {
        return Ok(Check::not_proven(NAME, "this machine's own address cannot be told", "name it with --address"));
    };
    let mut findings = Findings::default();
    let (here, elsewhere) = (proxy.key_for(&[&own.to_string()]).await?, proxy.key_for(&[FORGED]).await?);
    let expected = proxy.expected(Some(elsewhere.raw())).await?;
    let (here, elsewhere) = (proxy.ask_patiently(Some(&here), &[]).await?, proxy.ask_patiently(Some(&elsewhere), &[]).await?);
    if !proxy.is_pass(&here) {
        let taken = taken_for(proxy, own).await?;
        let by = taken.map(|taken| format!(": tollgate takes it for {taken}")).unwrap_or_default();
        findings
            .failed(format!("a key for {own} alone is refused ({}){by}", proxy.told(&here.answer)), proxy.tools.fixes.address(taken, own));
    }
    if proxy.is_pass(&elsewhere) {
        findings.failed(format!("a key for {FORGED} alone passes from {own}"), proxy.tools.fixes.unguarded());
    } else if proxy.is_pass(&here) {
        let differences = expected.differences(&elsewhere.answer);
        if !differences.is_empty() {
            findings.failed(garbled(&expected, &differences), proxy.tools.fixes.refusal());
        }
    }
    Ok(findings.check(NAME, format!("a key for {own} alone passes, and one for {FORGED} alone is refused")))
}

/// What tollgate takes the client's address for, where it is not its own: a key for that alone passes.
async fn taken_for(proxy: &Proxy<'_>, own: IpAddr) -> Result<Option<IpAddr>, String> {
    for address in proxy.first.addresses().filter(|address| *address != own) {
        let key = proxy.key_for(&[&address.to_string()]).await?;
        if proxy.is_pass(&proxy.ask_patiently(Some(&key), &[]).await?) {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

/// A key that runs out is refused as the style tells it, after exactly as many passes as its limit has.
pub async fn limits(proxy: &Proxy<'_>) -> Result<Check, String> {
    const NAME: &str = "proxy_limits";
    let (policy, server) = (proxy.tools.policy, proxy.tools.server);
    let route = policy.routes.of("GET", path_of(&proxy.target));
    let Some(tight) = tight(policy, route) else {
        let detail = format!("no limit of a plan that may call {} can be made to run out within {BEARABLE} calls", proxy.target);
        return Ok(Check::not_proven(NAME, detail, "name a path that costs something with --path; or widen the minimum in [keys] limits"));
    };
    let key = proxy.tools.visit.key(server, json!({ "plan": tight.room.plan, "limits": tight.room.limits })).await?;
    let counted =
        standing(&proxy.expected(Some(key.raw())).await?, &tight).map_or(0, |(requests, remaining)| requests.saturating_sub(remaining));
    key.set(server, json!({ "limits": { &*tight.limit.name: tight.after(policy, counted) } })).await?;
    let before = proxy.expected(Some(key.raw())).await?;
    let calls = standing(&before, &tight).map_or(0, |(_, remaining)| remaining / tight.cost);
    if !(1..=BEARABLE).contains(&calls) || !before.passes() {
        let detail = format!("the limit '{}' leaves {calls} calls ({}), so it cannot be tried", tight.limit.name, before.verdict);
        return Ok(Check::not_proven(NAME, detail, "try again later; or let a limit count by key"));
    }
    let began = Instant::now();
    let (passes, refused) = run_out(proxy, &key, calls).await?;
    let after = proxy.expected(Some(key.raw())).await?;
    if passes.len() as u64 != calls && has_turned(&tight, &before, &after, began) {
        return Ok(Check::not_proven(NAME, "the window turned while it was tried", "try again"));
    }
    let mut findings = Findings::default();
    judge_passes(&proxy.tools.fixes, &before, calls, &passes, &mut findings);
    // Where nothing passed, nothing ran out: that is told already.
    if let Some(refused) = refused.filter(|_| !after.passes()) {
        judge_refusal(&proxy.tools.fixes, &after, &refused, &mut findings);
    }
    let shown = format!("{calls} of {calls} calls passed, then {} as the style tells it", after.verdict);
    Ok(findings.check(NAME, shown))
}

/// Calls until it is refused; a few times more than should pass.
async fn run_out(proxy: &Proxy<'_>, key: &Key, calls: u64) -> Result<(Vec<Seen>, Option<Seen>), String> {
    let mut passes = Vec::new();
    for _ in 0..calls + 2 {
        let seen = proxy.ask(Some(key), &[]).await?;
        if !proxy.is_pass(&seen) {
            return Ok((passes, Some(seen)));
        }
        passes.push(seen);
    }
    Ok((passes, None))
}

fn judge_passes(fixes: &Fixes, before: &Expected, calls: u64, passes: &[Seen], findings: &mut Findings) {
    let passed = passes.len() as u64;
    if passed != calls {
        let more = if passed > calls { "at least " } else { "" };
        findings.failed(format!("with room for {calls} calls {more}{passed} passed"), fixes.charged());
    }
    let missing = passes.first().map(|seen| before.header_differences(&seen.answer)).unwrap_or_default();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().filter_map(|told| told.split(' ').next()).collect();
        findings.failed(format!("on passes {}", missing.join("; ")), fixes.limit_headers(&names));
    }
}

fn judge_refusal(fixes: &Fixes, after: &Expected, refused: &Seen, findings: &mut Findings) {
    let differences = after.differences(&refused.answer);
    if !differences.is_empty() {
        findings.failed(garbled(after, &differences), fixes.refusal());
    }
}

/// How many requests the tried limit has, and how many remain.
fn standing(expected: &Expected, tight: &Tight) -> Option<(u64, u64)> {
    let limit = limit_of(expected, tight)?;
    Some((limit["requests"].as_u64()?, limit["remaining"].as_u64()?))
}

fn limit_of<'e>(expected: &'e Expected, tight: &Tight) -> Option<&'e Value> {
    expected.limits.as_array()?.iter().find(|limit| limit["name"] == *tight.limit.name)
}

/// Whether something may have come back into the window since.
fn has_turned(tight: &Tight, before: &Expected, after: &Expected, began: Instant) -> bool {
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let requests = limit_of(after, tight).and_then(|limit| limit["requests"].as_u64()).unwrap_or(1).max(1);
    match tight.limit.shape {
        Shape::Rolling => took.saturating_mul(requests) >= tight.limit.per.span().millis(),
        Shape::Sliding => took >= tight.limit.per.span().millis(),
        Shape::Fixed => {
            limit_of(before, tight).and_then(|limit| limit["reset"].as_i64()).is_none_or(|reset| reset <= Timestamp::now().seconds_up())
        }
    }
}

/// A revoked key is refused at the very next call.
pub async fn revocation(proxy: &Proxy<'_>) -> Result<Check, String> {
    const NAME: &str = "proxy_revocation";
    let before = proxy.ask_patiently(Some(&proxy.key), &[]).await?;
    if !proxy.is_pass(&before) {
        return Ok(Check::not_proven(NAME, format!("a good key is answered {}", proxy.told(&before.answer)), proxy.tools.fixes.unknown()));
    }
    proxy.key.revoke(proxy.tools.server).await?;
    let seen = proxy.ask_patiently(Some(&proxy.key), &[]).await?;
    let expected = proxy.expected(Some(proxy.key.raw())).await?;
    let differences = expected.differences(&seen.answer);
    Ok(if differences.is_empty() {
        Check::ok(NAME, "a revoked key is refused at the very next call")
    } else if proxy.is_let_through(&seen) {
        Check::failed(NAME, "a revoked key still passes", proxy.tools.fixes.revocation())
    } else {
        Check::failed(NAME, garbled(&expected, &differences), proxy.tools.fixes.refusal())
    })
}
