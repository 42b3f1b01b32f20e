//! What the doctor brings along: an account and keys of its own, how they are sent, and how they are taken back.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::plans::Room;
use super::report::Check;
use super::server::Server;
use crate::domain::carrier::Carrier;
use crate::domain::key::PlainKey;
use crate::http::probe::NAME;

/// How long a key of the doctor's lives where nobody takes it back.
const LIVES: &str = "10m";

/// How often it is looked whether a key was used, and how far apart.
const LOOKS: usize = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// How many keys of an account are looked through.
const PAGE: u64 = 1000;

/// The doctor's account while it is at work.
pub struct Visit {
    account: String,
}

/// A key of the doctor's.
pub struct Key {
    /// `key_…`.
    pub id: String,
    raw: PlainKey,
}

impl Visit {
    /// Takes the account of an earlier visit, or makes one.
    pub async fn begin(server: &Server, room: &Room) -> Result<Self, String> {
        let mut settings = json!({ "plan": room.plan, "balance": room.balance, "disabled": false });
        let account = match own_accounts(server).await?.into_iter().next() {
            Some(account) => {
                settings["plan_until"] = Value::Null;
                server.call(Method::PATCH, &format!("/accounts/{}", account.id), Some(settings)).await?;
                account.id
            }
            None => {
                settings["name"] = NAME.into();
                text(&server.call(Method::POST, "/accounts", Some(settings)).await?["id"])
            }
        };
        Ok(Self { account })
    }

    /// The account's id.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Makes a key with these settings.
    pub async fn key(&self, server: &Server, mut settings: Value) -> Result<Key, String> {
        settings["account"] = self.account.as_str().into();
        settings["name"] = NAME.into();
        settings["scopes"] = json!(["*"]);
        settings["expires_at"] = LIVES.into();
        let made = server.call(Method::POST, "/keys", Some(settings)).await?;
        Ok(Key { id: text(&made["id"]), raw: PlainKey::new(text(&made["key"])) })
    }
}

impl Key {
    /// One that is none of this server's.
    pub fn unknown(raw: PlainKey) -> Self {
        Self { id: String::new(), raw }
    }

    /// Changes its settings, from the very next request on.
    pub async fn set(&self, server: &Server, settings: Value) -> Result<(), String> {
        server.call(Method::PATCH, &format!("/keys/{}", self.id), Some(settings)).await.map(|_| ())
    }

    /// Whether tollgate was asked about it so far. What was counted is written within a second.
    pub async fn was_used(&self, server: &Server) -> Result<bool, String> {
        for _ in 0..LOOKS {
            let key = server.call(Method::GET, &format!("/keys/{}", self.id), None).await?;
            if !key["last_used_at"].is_null() {
                return Ok(true);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Ok(false)
    }

    /// Revokes it.
    pub async fn revoke(&self, server: &Server) -> Result<(), String> {
        server.call(Method::DELETE, &format!("/keys/{}", self.id), None).await.map(|_| ())
    }

    /// The raw key, for whoever is about to send it.
    pub fn raw(&self) -> &str {
        self.raw.expose()
    }
}

/// A credential as a request carries it: a header, or a parameter of the query.
pub enum Carried {
    /// Name and value.
    Header(String, String),
    /// Name and value.
    Query(String, String),
}

/// Carries a raw key as the configuration asks; in a query only where there is no other way.
pub fn carry(carriers: &[Carrier], raw: &str) -> Carried {
    let usual = carriers.iter().find(|carrier| !matches!(carrier, Carrier::Query(_))).or(carriers.first());
    carry_by(usual, carriers, raw)
}

/// Carries a raw key by one of the carriers.
pub fn carry_by(carrier: Option<&Carrier>, carriers: &[Carrier], raw: &str) -> Carried {
    let authorization = |value: String| Carried::Header("authorization".into(), value);
    match carrier {
        Some(Carrier::Header(name)) => Carried::Header(name.to_string(), raw.into()),
        Some(Carrier::BasicUser) => authorization(format!("Basic {}", STANDARD.encode(format!("{raw}:")))),
        Some(Carrier::BasicPassword) => {
            // Where the user is a carrier too, it must not hold anything else.
            let user = if carriers.contains(&Carrier::BasicUser) { "" } else { "doctor" };
            authorization(format!("Basic {}", STANDARD.encode(format!("{user}:{raw}"))))
        }
        Some(Carrier::Scheme(name)) => authorization(format!("{name} {raw}")),
        Some(Carrier::Query(name)) => Carried::Query(name.clone(), raw.into()),
        Some(Carrier::Bearer) | None => authorization(format!("Bearer {raw}")),
    }
}

/// Takes everything back, also what an earlier visit had to leave: keys revoked, the account switched off.
pub async fn end(server: &Server) -> Check {
    const NAME: &str = "left_behind";
    match take_back(server).await {
        Ok(told) => Check::ok(NAME, told),
        Err(error) => Check::failed(
            NAME,
            format!("the doctor's account could not be switched off: {error}"),
            format!(
                "tollgate account list --search '{}', and tollgate account set ID --disable; its keys expire within {LIVES}",
                crate::http::probe::NAME
            ),
        ),
    }
}

async fn take_back(server: &Server) -> Result<String, String> {
    let mut told = Vec::new();
    for account in own_accounts(server).await? {
        for id in &account.living {
            server.call(Method::DELETE, &format!("/keys/{id}"), None).await?;
        }
        server.call(Method::PATCH, &format!("/accounts/{}", account.id), Some(json!({ "disabled": true, "balance": 0 }))).await?;
        let keys = account.keys;
        told.push(format!("the account {} ({NAME}), disabled, with {keys} revoked {}", account.id, if keys == 1 { "key" } else { "keys" }));
    }
    Ok(if told.is_empty() { "nothing".into() } else { told.join("; ") })
}

/// An account of the doctor's.
struct Own {
    id: String,
    keys: usize,
    /// Keys that are not revoked.
    living: Vec<String>,
}

/// The accounts of that name whose keys are all the doctor's: one that somebody else gave this name is not touched.
async fn own_accounts(server: &Server) -> Result<Vec<Own>, String> {
    let search: String = form_urlencoded::byte_serialize(NAME.as_bytes()).collect();
    let found = server.call(Method::GET, &format!("/accounts?limit={PAGE}&search={search}"), None).await?;
    let mut own = Vec::new();
    for account in rows(&found).iter().filter(|account| account["name"] == NAME) {
        let id = text(&account["id"]);
        let keys = keys_of(server, &id).await?;
        if keys.iter().all(|key| key["name"] == NAME) {
            let living = keys.iter().filter(|key| key["revoked_at"].is_null()).map(|key| text(&key["id"])).collect();
            own.push(Own { id, keys: keys.len(), living });
        }
    }
    Ok(own)
}

async fn keys_of(server: &Server, account: &str) -> Result<Vec<Value>, String> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = server.call(Method::GET, &format!("/keys?limit={PAGE}&account={account}{after}"), None).await?;
        all.extend_from_slice(rows(&page));
        match page["next_cursor"].as_str() {
            Some(cursor) => after = format!("&cursor={cursor}"),
            None => return Ok(all),
        }
    }
}

fn rows(page: &Value) -> &[Value] {
    page["data"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
