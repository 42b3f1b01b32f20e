//! The app's own location of the proxy, which may have lines of its own: the same is asked there as at the probe's path.

use super::super::report::{Check, Findings};
use super::headers;
use super::proxy::{Proxy, path_of};
use super::verdicts::{self, Refused};

/// The name of the check.
pub const NAME: &str = "proxy_app";

/// Calls the app's path as strangers, callers and forgers do.
pub async fn app(proxy: &Proxy<'_>) -> Result<Check, String> {
    let (policy, path) = (proxy.tools.policy, &proxy.tools.path);
    let app = match proxy.at_app().await {
        Ok(app) => app,
        Err(check) => return Ok(check.named(NAME)),
    };
    if policy.routes.of("GET", path_of(path)).open {
        let detail =
            format!("GET {path} is answered, and needs no key: it is an open route of auth.toml (--path of another one would prove more)");
        return Ok(Check::ok(NAME, detail));
    }
    let mut findings = Findings::default();
    match verdicts::refusal(&app).await? {
        Refused::Told(check) => findings.take(check),
        Refused::Unguarded(check) => return Ok(check.named(NAME)),
    }
    let limits = verdicts::limits(&app).await?;
    let charged = if limits.is_not_proven() { "how it is charged could not be tried" } else { "charged once a call" };
    findings.take(limits);
    let seen = [headers::identity(&app).await?, headers::forwarded(&app).await?, headers::credential(&app).await?];
    let is_seen = seen.iter().all(|check| !check.is_not_proven());
    seen.into_iter().for_each(|check| findings.take(check));
    // Last, because it ends the key.
    let revocation = verdicts::revocation(&app).await?;
    if revocation.is_not_proven() && findings.is_empty() {
        return Ok(revocation.named(NAME));
    }
    findings.take(revocation);
    let behind = if is_seen { "nothing forged reaches the app".to_owned() } else { unseen(proxy) };
    Ok(findings.check(NAME, format!("GET {path}: refused without a key and with a revoked one, {charged}; {behind}")))
}

/// What the app's answer does not show.
fn unseen(proxy: &Proxy<'_>) -> String {
    let (prefix, path) = (&proxy.tools.server.prefix, &proxy.tools.path);
    format!(
        "what reaches the app is proven for {prefix}/v1/probe alone: the app's own location must share its lines \
         (GET {path} does not show its headers; --path of one that does would prove it)"
    )
}
