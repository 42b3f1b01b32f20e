//! `[sign_in]`: how people sign in, and for how long.

use super::address::Address;
use super::passwords::PasswordSettings;
use super::providers::{self, Providers};
use super::reader::Table;
use super::secret::Secret;
use super::throttle::ThrottleSettings;
use crate::domain::phone::Country;
use crate::domain::session::OWN_WAYS;
use crate::domain::signing::SigningKey;
use crate::domain::telegram;
use crate::domain::time::Span;

/// How many secrets, or signing keys, there may be: the one of now, the one of before, and some room.
const MOST_SECRETS: usize = 4;

/// The shortest secret: as many bytes as HMAC-SHA256 makes (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

/// Whether a browser sends the refresh cookie along with what other sites ask for (RFC 6265bis).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When somebody follows a link.
    Lax,
    /// Always: for an app on another site, which `[cors]` names.
    None,
}

impl SameSite {
    fn named(name: &str) -> Option<Self> {
        match name {
            "strict" => Some(Self::Strict),
            "lax" => Some(Self::Lax),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// What access tokens are signed with.
#[derive(Clone, Debug)]
pub enum Signing {
    /// HMAC-SHA256, by the server's secret.
    Hs256,
    /// Ed25519, by the first of these keys (PKCS #8, PEM); those signed by the others still count.
    EdDsa(Vec<SigningKey>),
}

/// Where a mailed link leads, where that is no page of tollgate's own; and where its own pages lead on to.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// To prove an address.
    pub verify: Option<String>,
    /// To set a new password.
    pub reset: Option<String>,
    /// To join an account.
    pub invitation: Option<String>,
    /// Where people go on to from the pages, once they are done there.
    pub app: Option<String>,
}

/// `[sign_in.agreement]`: what has to be accepted before the first key.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// Its version; a new one is asked for again.
    pub version: String,
    /// Where it can be read.
    pub url: String,
}

/// `[sign_in]`.
#[derive(Clone, Debug)]
pub struct SignInSettings {
    /// Whether there is any of it.
    pub enabled: bool,
    /// Below this lie its paths: `/auth/v1`.
    pub base_path: String,
    /// What the service is called in mails and on pages; empty: as `public_url` names its host.
    pub name: String,
    /// Whether an access token is taken wherever a key is.
    pub at_gate: bool,
    /// Whether people may make themselves users.
    pub registration: bool,
    /// How many organizations a user may make.
    pub organizations: u64,
    /// With how many keys that last an account gets no others from its users.
    pub keys: u64,
    /// Whose spelling of phone numbers is understood (ISO 3166); none: only numbers that begin with +.
    pub country: Option<Country>,
    /// The server's secrets, the first of them in use; none: the one beside the database.
    pub secrets: Vec<Secret>,
    /// What access tokens are signed with.
    pub signing: Signing,
    /// How long an access token counts.
    pub access_lifetime: Span,
    /// How long a session lasts at the most, and without being used.
    pub session_lifetime: Span,
    /// See above.
    pub session_idle: Span,
    /// Of the refresh cookie.
    pub same_site: SameSite,
    /// How long a link that proves an address counts, one that sets a password, and a code.
    pub verify_lifetime: Span,
    /// See above.
    pub reset_lifetime: Span,
    /// See above.
    pub code_lifetime: Span,
    /// How long an invitation counts.
    pub invitation_lifetime: Span,
    /// Where mailed links lead.
    pub links: Links,
    /// What has to be accepted.
    pub agreement: Option<Agreement>,
    /// How passwords are hashed, and what is strong enough.
    pub passwords: PasswordSettings,
    /// How often somebody may guess, and have something sent.
    pub throttle: ThrottleSettings,
    /// Who else proves who somebody is.
    pub providers: Providers,
}

impl SignInSettings {
    /// What paths call the provider of an identity that is neither Google's nor Telegram's.
    pub fn other_provider(&self, provider: &str) -> Option<String> {
        let known = self.providers.oidc.iter().find(|known| known.kind == providers::Kind::Other && known.issuer == provider);
        known.map(|known| known.name.clone())
    }

    /// Whether an identity is one of Google's, or of whom the configuration has in its place.
    pub fn is_google(&self, provider: &str) -> bool {
        self.providers.oidc.iter().any(|known| known.kind == providers::Kind::Google && known.issuer == provider)
    }

    /// Whether identities of a provider let anybody in, as things are configured.
    pub fn lets_in_by(&self, provider: &str) -> bool {
        (provider == telegram::PROVIDER && self.providers.bot.is_some())
            || self.of_provider(provider).any(providers::Provider::is_configured)
    }

    /// What people call the provider of an identity.
    pub fn title_of<'a>(&'a self, provider: &'a str) -> &'a str {
        self.of_provider(provider).next().map_or(provider, |known| &known.title)
    }

    /// What people call the provider that a session says it was begun by.
    pub fn title_of_method<'a>(&'a self, method: &'a str) -> &'a str {
        self.providers.oidc.iter().find(|known| known.name == method).map_or(method, |known| &known.title)
    }

    /// Whether a session may have been begun by the provider of an identity, from how it says that somebody came in: also where that is
    /// a name that nobody has any more.
    pub fn may_have_begun(&self, provider: &str, method: &str) -> bool {
        let is_known = OWN_WAYS.contains(&method) || self.providers.oidc.iter().any(|known| known.name == method);
        !is_known || self.of_provider(provider).any(|known| known.name == method)
    }

    fn of_provider<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a providers::Provider> {
        let is_telegram = provider == telegram::PROVIDER;
        self.providers
            .oidc
            .iter()
            .filter(move |known| if known.kind == providers::Kind::Telegram { is_telegram } else { known.issuer == provider })
    }
}

pub(super) fn read(table: Table<'_>) -> Option<SignInSettings> {
    let enabled = table.flag("enabled");
    let base_path = table.parsed("base_path", base_path);
    let name = table.parsed("name", plain);
    let (at_gate, registration) = (table.flag("at_gate"), table.flag("registration"));
    let (organizations, keys) = (table.number("organizations", 0..=1000), table.number("keys", 0..=1_000_000));
    let country = table.parsed("country", country);
    let secrets = if table.holds("secret") { table.secrets("secret", MOST_SECRETS) } else { Some(Vec::new()) };
    if secrets.iter().flatten().any(|secret| secret.expose().len() < SHORTEST_SECRET) {
        table.fault("secret", format!("must have at least {SHORTEST_SECRET} bytes: openssl rand -base64 48 makes one"));
    }
    let signing = signing(&table);
    let access_lifetime = table.span("access_lifetime", MINUTE..=DAY);
    let (session_lifetime, session_idle) =
        (table.span("session_lifetime", 60 * MINUTE..=3650 * DAY), table.span("session_idle", 30 * MINUTE..=3650 * DAY));
    let same_site = table.word("same_site", "strict, lax or none", SameSite::named);
    let lifetime = |name| table.span(name, MINUTE..=30 * DAY);
    let (verify_lifetime, reset_lifetime) = (lifetime("verify_lifetime"), lifetime("reset_lifetime"));
    let (code_lifetime, invitation_lifetime) = (table.span("code_lifetime", MINUTE..=60 * MINUTE), lifetime("invitation_lifetime"));
    let links = links(table.table("links"));
    let agreement = agreement(table.table("agreement"));
    let passwords = super::passwords::read(table.table("passwords"));
    let throttle = super::throttle::read(table.table("throttle"));
    let providers = providers::read(&table);
    table.finish();
    Some(SignInSettings {
        enabled: enabled?,
        base_path: base_path?,
        name: name?,
        at_gate: at_gate?,
        registration: registration?,
        organizations: organizations?,
        keys: keys?,
        country: country?,
        secrets: secrets?,
        signing: signing?,
        access_lifetime: access_lifetime?,
        session_lifetime: session_lifetime?,
        session_idle: session_idle?,
        same_site: same_site?,
        verify_lifetime: verify_lifetime?,
        reset_lifetime: reset_lifetime?,
        code_lifetime: code_lifetime?,
        invitation_lifetime: invitation_lifetime?,
        links: links?,
        agreement: agreement?,
        passwords: passwords?,
        throttle: throttle?,
        providers: providers?,
    })
}

fn signing(table: &Table<'_>) -> Option<Signing> {
    let is_eddsa = table.word("algorithm", "HS256 or EdDSA", |name| match name {
        "HS256" => Some(false),
        "EdDSA" => Some(true),
        _ => None,
    })?;
    let has_keys = table.holds("signing_keys");
    match (is_eddsa, has_keys) {
        (false, false) => Some(Signing::Hs256),
        (true, true) => signing_keys(table),
        (false, true) => {
            table.fault("signing_keys", "are for algorithm = \"EdDSA\"");
            None
        }
        (true, false) => {
            table.fault("algorithm", "needs signing_keys: openssl genpkey -algorithm ed25519 makes one");
            None
        }
    }
}

/// Where one cannot be read by whoever asks, nothing is signed either.
fn signing_keys(table: &Table<'_>) -> Option<Signing> {
    let secrets = table.secrets("signing_keys", MOST_SECRETS)?;
    if secrets.iter().any(Secret::is_unread) {
        return Some(Signing::Hs256);
    }
    // Gathered first, so that every fault is told.
    let read = |(at, secret): (usize, &Secret)| {
        SigningKey::of_pem(secret.expose()).map_err(|fault| table.fault_below(&format!("signing_keys[{at}]"), fault)).ok()
    };
    let keys: Vec<_> = secrets.iter().enumerate().map(read).collect();
    keys.into_iter().collect::<Option<Vec<_>>>().map(Signing::EdDsa)
}

fn links(table: Table<'_>) -> Option<Links> {
    let mut sound = true;
    let mut link = |name, read: fn(&str) -> Result<String, String>| {
        let given = table.holds(name).then(|| table.parsed(name, read));
        sound &= given.as_ref().is_none_or(Option::is_some);
        given.flatten()
    };
    let links =
        Links { verify: link("verify", url), reset: link("reset", url), invitation: link("invitation", url), app: link("app", app) };
    table.finish();
    sound.then_some(links)
}

/// Where somebody goes on to: by HTTPS, or on this machine.
fn app(text: &str) -> Result<String, String> {
    let address = Address::parse(text, "https://app.example.com")?;
    let is_here = address.host() == "localhost" || address.literal().is_some_and(|literal| literal.is_loopback());
    if address.is_https || is_here { Ok(text.to_owned()) } else { Err("must begin with https://, but for this machine itself".into()) }
}

/// The inner `None`: there is none.
fn agreement(table: Table<'_>) -> Option<Option<Agreement>> {
    let version = table.parsed("version", plain);
    let address = if table.holds("url") {
        table.parsed("url", |text| if text.is_empty() { Ok(String::new()) } else { url(text) })
    } else {
        Some(String::new())
    };
    table.finish();
    let (version, url) = (version?, address?);
    Some((!version.is_empty()).then_some(Agreement { version, url }))
}

fn base_path(text: &str) -> Result<String, String> {
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    };
    match text.strip_prefix('/') {
        Some(rest) if rest.split('/').all(is_segment) => Ok(text.to_owned()),
        _ => Err("must be a path such as /auth/v1 or /api/v2, without a slash at its end".into()),
    }
}

/// A short text for people.
fn plain(text: &str) -> Result<String, String> {
    let is_plain = text.chars().count() <= 100 && !text.chars().any(char::is_control);
    if is_plain { Ok(text.to_owned()) } else { Err("must have at most 100 characters, and no control characters".into()) }
}

fn country(text: &str) -> Result<Option<Country>, String> {
    if text.is_empty() { Ok(None) } else { Country::parse(text).map(Some) }
}

/// An address of a page that a link may lead to.
fn url(text: &str) -> Result<String, String> {
    const WRONG: &str = "must be an address such as https://app.example.com/verify, without a query or a fragment";
    let uri: http::Uri = text.parse().map_err(|_| WRONG)?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let is_sound = is_http && !authority.is_empty() && !authority.contains('@') && uri.query().is_none() && !text.contains('#');
    if is_sound { Ok(text.to_owned()) } else { Err(WRONG.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_go_on_by_https_or_on_this_machine() {
        for sound in [
            "https://app.example.com",
            "https://app.example.com/in?from=mail",
            "http://localhost:3000/",
            "http://127.0.0.1",
            "http://[::1]:80/",
        ] {
            assert_eq!(app(sound).as_deref(), Ok(sound));
        }
        for wrong in [
            "http://app.example.com",
            "http://localhost.example.com",
            "javascript:alert(1)",
            "/in",
            "",
            "https://u@app.example.com",
            "https://a/#b",
        ] {
            assert!(app(wrong).is_err(), "{wrong}");
        }
    }
}
