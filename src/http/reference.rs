//! Which operations the API reference tells of: what keys and signed-in users may ask for, and nothing of the operator's.

use serde_json::Value;

use super::endpoints::{Access, ENDPOINTS, Endpoint, SIGN_IN};
use crate::config::Policy;
use crate::docs::Page;
use crate::docs::reference::{Operation, Whose, page};

/// Who may ask about a key: whoever has it.
const OF_KEY: [&str; 2] = ["/v1/me", "/v1/me/usage"];

/// What anybody may ask for that is no page.
const OPEN: [&str; 3] = ["/v1/agreement", "/v1/health", "/.well-known/jwks.json"];

/// The page of a configuration, from its document.
pub fn reference(policy: &Policy, document: &Value) -> Page {
    let own = ENDPOINTS.iter().filter_map(|endpoint| Some((whose(endpoint, policy)?, &policy.server.prefix, endpoint)));
    let sign_in = SIGN_IN
        .iter()
        .filter(|_| policy.sign_in.enabled)
        .filter_map(|endpoint| Some((of_sign_in(endpoint, policy)?, &policy.sign_in.base_path, endpoint)));
    let operations: Vec<Operation> = own
        .chain(sign_in)
        .map(|(whose, base, endpoint)| Operation {
            whose,
            method: endpoint.method.as_ref().map_or("get".into(), |method| method.as_str().to_ascii_lowercase()),
            path: format!("{base}{}", endpoint.path),
            not_theirs: not_theirs(endpoint.path, policy),
        })
        .collect();
    page(policy, document, &operations)
}

/// What users may not say of an account or a key (service/developers.rs).
fn not_theirs(path: &str, policy: &Policy) -> Vec<&'static str> {
    match path {
        "/v1/accounts" | "/v1/accounts/{id}" => vec!["kind", "plan", "plan_until", "balance", "limits", "disabled"],
        "/v1/keys" | "/v1/keys/{id}" if policy.keys.ranges.is_empty() => vec!["plan", "disabled", "metadata", "limits"],
        "/v1/keys" | "/v1/keys/{id}" => vec!["plan", "disabled", "metadata"],
        _ => Vec::new(),
    }
}

fn whose(endpoint: &Endpoint, policy: &Policy) -> Option<Whose> {
    match endpoint.access {
        Access::Anyone if OF_KEY.contains(&endpoint.path) => Some(Whose::Key),
        Access::Anyone if OPEN.contains(&endpoint.path) => Some(Whose::Anybody),
        // Without sign-in there is nobody who could ask.
        _ if !policy.sign_in.enabled => None,
        Access::Visitor if OPEN.contains(&endpoint.path) => Some(Whose::Anybody),
        Access::User => Some(Whose::User),
        Access::Shared(_) => Some(Whose::Account),
        _ => None,
    }
}

fn of_sign_in(endpoint: &Endpoint, policy: &Policy) -> Option<Whose> {
    let providers = &policy.sign_in.providers;
    let offers = |name: &str| providers.oidc.iter().any(|provider| provider.name == name && provider.is_offered());
    let is_there = match endpoint.path {
        // Where others send a browser back to is no business of an app.
        path if path.ends_with("/callback") || path == "/auth/join" => false,
        "/auth/telegram" => providers.offers_widget,
        path if path.starts_with("/auth/telegram/") => offers("telegram"),
        path if path.starts_with("/auth/google") => offers("google"),
        path if path.starts_with("/auth/oidc/") => {
            providers.oidc.iter().any(|provider| provider.is_offered() && !["google", "telegram"].contains(&provider.name.as_str()))
        }
        "/auth/register" => policy.sign_in.registration,
        _ => true,
    };
    let is_users = endpoint.access == Access::User || endpoint.path.starts_with("/user/") || endpoint.path == "/balance";
    is_there.then_some(if is_users { Whose::User } else { Whose::SignIn })
}
