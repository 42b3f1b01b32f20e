//! `[sign_in.telegram]`, `[sign_in.google]`, `[[sign_in.oidc]]`: who else proves who somebody is. One whose secret is not set is
//! there and not configured: it is no fault, so that a configuration may name the variables that an operator fills later.

use std::net::IpAddr;
use std::path::Path;

use tokio_rustls::rustls::pki_types::CertificateDer;

use super::address::Address;
use super::certificates;
use super::reader::Table;
use super::secret::Secret;
use crate::domain::session::OWN_WAYS;
use crate::domain::telegram::BotKey;

/// How many providers there may be beside the known ones, how many addresses each may come back to, and how many scopes.
const MOST_PROVIDERS: usize = 32;
const MOST_ADDRESSES: usize = 32;
const MOST_SCOPES: usize = 32;

/// How long names, ids, scopes and addresses may be.
const LONGEST_NAME: usize = 64;
const LONGEST: usize = 1000;

/// Names that are spoken for: they are tables and paths of their own.
const TAKEN: [&str; 2] = [GOOGLE, TELEGRAM];
const GOOGLE: &str = "google";
const TELEGRAM: &str = "telegram";

/// What a page's own script may say in place of an address, where it opens a window: Google's library does.
const POSTMESSAGE: &str = "postmessage";

/// What is asked for of whoever signs in, beside `openid`.
const SCOPES: [&str; 2] = ["email", "profile"];

/// Whose provider it is, where that makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Google.
    Google,
    /// Telegram, by OpenID Connect: an identity is the same as the Login Widget's.
    Telegram,
    /// Any other.
    Other,
}

/// A provider of OpenID Connect.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Whose it is.
    pub kind: Kind,
    /// What its paths call it, and the sessions that are begun by it: `google`, `telegram`, or a name of your own.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Its issuer, letter by letter as its tokens say it.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// What this server proves itself to it with; `None`: not configured.
    pub client_secret: Option<Secret>,
    /// Where it may send people back to, letter by letter.
    pub redirect_uris: Vec<String>,
    /// What is asked for of whoever signs in, beside `openid`.
    pub scopes: Vec<String>,
    /// Whether its word counts that an address is somebody's.
    pub trusts_email: bool,
    /// Authorities that are believed beside those that browsers trust.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Whether it may be on this machine or in a private network, and spoken to without TLS.
    pub allow_private: bool,
}

impl Provider {
    /// Whether it can be used.
    pub fn is_configured(&self) -> bool {
        self.client_secret.is_some()
    }

    /// Whether the configuration means it to be there, be its secret set or not.
    pub fn is_offered(&self) -> bool {
        self.is_configured() || !self.redirect_uris.is_empty()
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    /// What the Login Widget's payloads are signed with; `None`: not configured.
    pub bot: Option<BotKey>,
    /// Whether the configuration means it to be there, be its secret set or not.
    pub offers_widget: bool,
    /// Google, Telegram's OpenID Connect, and the others.
    pub oidc: Vec<Provider>,
}

pub(super) fn read(table: &Table<'_>) -> Option<Providers> {
    let telegram = table.table(TELEGRAM);
    let bot = telegram.secret_if_set("bot_token");
    let offers_widget = telegram.holds("bot_token") && !telegram.is_empty("bot_token");
    if let Some(Some(token)) = &bot
        && !looks_like_bot_token(token.expose())
    {
        telegram.warn("bot_token", "is not as BotFather writes one, 123456789:AAE…: nobody will be able to sign in by it");
    }
    // Gathered first, so that every fault is told.
    let known =
        [read_known(Kind::Telegram, telegram, TELEGRAM, "Telegram"), read_known(Kind::Google, table.table(GOOGLE), GOOGLE, "Google")];
    let others = if table.holds("oidc") { table.tables("oidc") } else { Some(Vec::new()) };
    if others.as_ref().is_some_and(|others| others.len() > MOST_PROVIDERS) {
        table.fault("oidc", format!("must be at most {MOST_PROVIDERS}"));
        return None;
    }
    let others: Option<Vec<_>> = others.map(|tables| tables.into_iter().map(|other| read_other(&other)).collect());
    let oidc: Vec<Provider> = known.into_iter().chain(others?).collect::<Option<_>>()?;
    let twice = oidc.iter().enumerate().find(|(at, one)| oidc[..*at].iter().any(|other| other.name == one.name));
    if let Some((_, twice)) = twice {
        table.fault("oidc", format!("has two that are called '{}'", twice.name));
    }
    Some(Providers { bot: bot?.map(|token| BotKey::of(token.expose())), offers_widget, oidc })
}

/// One that has a table of its own, and an issuer by default.
fn read_known(kind: Kind, table: Table<'_>, name: &str, title: &str) -> Option<Provider> {
    let issuer = table.parsed("issuer", issuer);
    let client_id = table.parsed("client_id", plain);
    let secret = table.secret_if_set("client_secret");
    let redirect_uris = table.all_parsed("redirect_uris", redirect_uri);
    table.finish();
    // Telegram knows of no other scope that is of use, and of no addresses.
    let scopes = if kind == Kind::Telegram { &SCOPES[1..] } else { &SCOPES[..] };
    let (issuer, address) = issuer?;
    let provider = Provider {
        kind,
        name: name.into(),
        title: title.into(),
        allow_private: is_loopback(&address),
        issuer,
        client_id: client_id?,
        client_secret: secret?,
        redirect_uris: redirect_uris?,
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        trusts_email: true,
        authorities: Vec::new(),
    };
    check_reach(&table, &provider, &address);
    check_whole(&table, &provider);
    Some(provider)
}

/// One of `[[sign_in.oidc]]`.
fn read_other(table: &Table<'_>) -> Option<Provider> {
    let name = table.parsed("name", name);
    let title = if table.holds("title") { table.parsed("title", plain) } else { name.clone() };
    let issuer = table.parsed("issuer", issuer);
    let client_id = table.parsed("client_id", plain);
    let secret = table.secret_if_set("client_secret");
    let redirect_uris = table.all_parsed("redirect_uris", redirect_uri);
    let asked = || SCOPES.map(str::to_owned).to_vec();
    let scopes = if table.holds("scopes") { table.all_parsed("scopes", scope) } else { Some(asked()) };
    let trusts_email = if table.holds("trusts_email") { table.flag("trusts_email") } else { Some(true) };
    let allow_private = if table.holds("allow_private") { table.flag("allow_private") } else { Some(false) };
    let authorities = if table.holds("ca") { table.parsed("ca", |path| certificates::read(Path::new(path))) } else { Some(Vec::new()) };
    for required in ["name", "issuer", "client_id", "redirect_uris"] {
        table.missing(required);
    }
    table.finish();
    let mut scopes = scopes?;
    if scopes.len() > MOST_SCOPES {
        table.fault("scopes", format!("must be at most {MOST_SCOPES}"));
    }
    // It is asked for in any case.
    scopes.retain(|scope| scope != "openid");
    let (issuer, address) = issuer?;
    let provider = Provider {
        kind: Kind::Other,
        name: name?,
        title: title?,
        issuer,
        client_id: client_id?,
        client_secret: secret?,
        redirect_uris: redirect_uris?,
        scopes,
        trusts_email: trusts_email?,
        authorities: authorities?,
        allow_private: allow_private? || is_loopback(&address),
    };
    check_reach(table, &provider, &address);
    check_whole(table, &provider);
    Some(provider)
}

/// What could be seen or changed on its way proves nothing.
fn check_reach(table: &Table<'_>, provider: &Provider, address: &Address) {
    if provider.allow_private {
        return;
    }
    if !address.is_https {
        table.fault("issuer", "must begin with https://");
    } else if address.literal().is_some_and(|literal| !crate::domain::reach::is_public(literal)) {
        table.fault("issuer", "leads to a private address: set allow_private = true where that is meant");
    }
}

/// What there may be, and what a secret is of no use without.
fn check_whole(table: &Table<'_>, provider: &Provider) {
    if provider.redirect_uris.len() > MOST_ADDRESSES {
        table.fault("redirect_uris", format!("must be at most {MOST_ADDRESSES}"));
    }
    if !provider.is_configured() {
        let is_meant = !provider.client_id.is_empty() || !provider.redirect_uris.is_empty();
        // Of a variable that is not set it was told already.
        if is_meant && !table.is_table("client_secret") {
            table.warn("client_secret", "is not set: until it is, this way in answers not_configured");
        }
        return;
    }
    if provider.client_id.is_empty() {
        table.fault("client_id", "must be given beside client_secret");
    }
    if provider.redirect_uris.is_empty() {
        table.fault("redirect_uris", "must name where people come back to, as it is registered with the provider");
    }
}

/// An issuer (OpenID Connect Discovery, 3): its text counts letter by letter, and it has no query.
fn issuer(text: &str) -> Result<(String, Address), String> {
    let address = Address::parse(text, "https://accounts.example.com")?;
    if address.path.query().is_some() {
        return Err("has a query, and an issuer has none".into());
    }
    Ok((text.to_owned(), address))
}

/// Whether it is on this machine, said so that nobody else can be meant.
fn is_loopback(address: &Address) -> bool {
    address.host() == "localhost" || address.literal().is_some_and(|literal: IpAddr| literal.is_loopback())
}

fn redirect_uri(text: &str) -> Result<String, String> {
    if text == POSTMESSAGE {
        return Ok(text.to_owned());
    }
    const WRONG: &str = "must be an address such as https://app.example.com/signed-in, with nothing before an @ and nothing from # on";
    let sound = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['#', '\\']);
    // An app of its own may have a scheme of its own: com.example.app:/signed-in.
    let (scheme, rest) = text.split_once(':').filter(|_| sound).ok_or(WRONG)?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    let is_sound = match scheme {
        "http" | "https" => authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('@')),
        // Pages that are no places.
        "javascript" | "data" | "blob" | "file" | "about" => false,
        _ => is_scheme && scheme.contains('.') && !authority.unwrap_or_default().contains('@'),
    };
    if is_sound { Ok(text.to_owned()) } else { Err(WRONG.into()) }
}

/// The bot's number, a colon, and what is secret.
fn looks_like_bot_token(text: &str) -> bool {
    let is_secret = |secret: &str| secret.len() >= 10 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    text.split_once(':')
        .is_some_and(|(number, secret)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && is_secret(secret))
}

/// What a path can call it.
fn name(text: &str) -> Result<String, String> {
    let is_name = (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    match text {
        _ if !is_name => Err(format!("must be up to {LONGEST_NAME} of a to z, 0 to 9, _ and -")),
        _ if OWN_WAYS.contains(&text) => Err(format!("'{text}' is what sessions call another way in")),
        _ if TAKEN.contains(&text) => Err(format!("'{text}' has a table of its own: [sign_in.{text}]")),
        _ => Ok(text.to_owned()),
    }
}

/// A scope (RFC 6749, 3.3).
fn scope(text: &str) -> Result<String, String> {
    let is_scope = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if is_scope { Ok(text.to_owned()) } else { Err("is no scope: write one a text, such as \"email\"".into()) }
}

fn plain(text: &str) -> Result<String, String> {
    let is_plain = text.len() <= LONGEST && !text.chars().any(char::is_control);
    if is_plain { Ok(text.to_owned()) } else { Err(format!("must have at most {LONGEST} bytes, and no control characters")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_people_may_come_back_to() {
        for text in [
            "https://app.example.com/signed-in",
            "https://app.example.com:8443/a?b=c",
            "http://127.0.0.1:3000/cb",
            "http://localhost/cb",
            "com.example.app:/signed-in",
            "com.example.app://signed-in",
            "postmessage",
        ] {
            assert_eq!(redirect_uri(text).as_deref(), Ok(text), "{text}");
        }
        for text in [
            "",
            "app.example.com/cb",
            "/cb",
            "https://",
            "https:///cb",
            "https:app.example.com",
            "https://me@app.example.com/cb",
            "https://app.example.com@evil.example/cb",
            "https://app.example.com/cb#part",
            "https://app.example.com\\@evil.example/cb",
            "https://app.example.com/c b",
            "https://app.example.com/cb\n",
            "javascript:alert(1)",
            "data:text/html,x",
            "app:/cb",
            "HTTPS://app.example.com/cb",
            "Postmessage",
        ] {
            assert!(redirect_uri(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_on_this_machine() {
        let is_here = |text: &str| is_loopback(&issuer(text).unwrap().1);
        for text in ["http://127.0.0.1:4000", "http://127.9.9.9", "http://[::1]:4000/", "https://localhost/realm", "http://localhost"] {
            assert!(is_here(text), "{text}");
        }
        for text in ["https://accounts.google.com", "http://localhost.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com"] {
            assert!(!is_here(text), "{text}");
        }
        for text in ["", "accounts.google.com", "https://a/?b", "https://a/#b", "https://me@a/", "ftp://a/"] {
            assert!(issuer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_path_can_call_one() {
        assert_eq!(name("my-realm_2").as_deref(), Ok("my-realm_2"));
        for text in ["", "google", "telegram", "My", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
