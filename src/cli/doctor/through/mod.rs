//! The real proxy: tollgate is called by way of it, and what must come out right there is proven, each thing by itself.

mod app;
mod fixes;
mod headers;
mod proxy;
mod verdicts;

pub use self::fixes::Fixes;
pub use self::proxy::Tools;
use self::proxy::{Eyes, Proxy};
use self::verdicts::Refused;
use super::clock;
use super::report::{Check, Report};

/// Whatever is proven through a proxy that answers and asks tollgate.
const CHECKS: [&str; 7] =
    ["proxy_identity", "proxy_forwarded", "proxy_address", "proxy_limits", "proxy_cookies", "proxy_credential", "proxy_revocation"];

/// Proves everything that can be proven through a proxy.
pub async fn prove(tools: Tools<'_>, report: &mut Report) {
    let (proxy, check) = match Proxy::meet(tools).await {
        Ok(met) => met,
        Err(check) => {
            report.add(check);
            report.add(untried("proxy_refusal"));
            CHECKS.into_iter().for_each(|name| report.add(untried(name)));
            return;
        }
    };
    report.add(check);
    let refused = verdicts::refusal(&proxy).await.unwrap_or_else(|error| Refused::Told(broken(&proxy, "proxy_refusal", &error)));
    match refused {
        Refused::Told(check) => report.add(check),
        Refused::Unguarded(check) => {
            report.add(check);
            CHECKS.into_iter().for_each(|name| report.add(untried(name)));
            return;
        }
    }
    // Where the gate is inside the app nothing stands between the two.
    let between = ["proxy_identity", "proxy_cookies", "proxy_credential"];
    for name in CHECKS.into_iter().filter(|name| !(proxy.is_embedded() && between.contains(name))) {
        let checked = match name {
            "proxy_identity" => headers::identity(&proxy).await,
            "proxy_forwarded" => headers::forwarded(&proxy).await,
            "proxy_address" => verdicts::address(&proxy).await,
            "proxy_limits" => verdicts::limits(&proxy).await,
            "proxy_cookies" => headers::cookies(&proxy).await,
            "proxy_credential" => headers::credential(&proxy).await,
            // Last, because it ends the key.
            _ => verdicts::revocation(&proxy).await,
        };
        report.add(checked.unwrap_or_else(|error| broken(&proxy, name, &error)));
    }
    if proxy.eyes == Eyes::Probe {
        report.add(app::app(&proxy).await.unwrap_or_else(|error| broken(&proxy, app::NAME, &error)));
    }
    clock::against("proxy_clock", "the proxy", &proxy.first.answer).into_iter().for_each(|check| report.add(check));
}

fn untried(name: &'static str) -> Check {
    Check::not_proven(name, "not tried", "mend what is told above first")
}

fn broken(proxy: &Proxy<'_>, name: &'static str, error: &str) -> Check {
    Check::failed(name, format!("a call failed: {error}"), proxy.tools.fixes.unknown())
}
