//! The configuration as used: read, checked and worked out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use figment::value::Value;
use sha2::{Digest, Sha256};

use super::brand::BrandSettings;
use super::cors::CorsSettings;
use super::dashboard::DashboardSettings;
use super::docs::DocsSettings;
use super::fault::{Fault, Faults};
pub use super::history::HistorySettings;
pub use super::keys::KeySettings;
use super::log::LogSettings;
use super::mail::MailSettings;
use super::reader::Table;
use super::secret::{Held, Place};
pub use super::server::{Listen, ServerSettings};
use super::sign_in::SignInSettings;
use super::sms::SmsSettings;
use super::source::Merged;
use super::upstream::UpstreamSettings;
use super::webhooks::{Notices, Webhook};
use crate::domain::caller::Caller;
use crate::domain::jwt;
use crate::domain::key::Environments;
use crate::domain::phone::{Country, Phone};
use crate::domain::plan::Plans;
use crate::domain::proof::Channel;
use crate::domain::route::Routes;
use crate::domain::token;
use crate::style::Style;
use crate::style::letters::Letters;

/// A whole, checked configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `[server]`.
    pub server: ServerSettings,
    /// `[upstream]`: the app behind the gate, or behind a proxy that asks it.
    pub upstream: UpstreamSettings,
    /// `[cors]`, where pages of other origins may call.
    pub cors: Option<CorsSettings>,
    /// `[history]`: how long what has happened is kept.
    pub history: HistorySettings,
    /// `[keys]`.
    pub keys: KeySettings,
    /// `[[plans]]`.
    pub plans: Plans,
    /// `[[routes]]`.
    pub routes: Routes,
    /// `[style]`.
    pub style: Style,
    /// `[webhooks.NAME]`.
    pub webhooks: Vec<Webhook>,
    /// `[notices]`.
    pub notices: Notices,
    /// Where its secrets stand.
    pub secrets: Vec<Held>,
    /// `[sign_in]`.
    pub sign_in: SignInSettings,
    /// `[mail]`, where there is a server.
    pub mail: Option<MailSettings>,
    /// `[sms]`, where there is a gateway.
    pub sms: Option<SmsSettings>,
    /// `[sms] countries`: where numbers are that a code may be asked for; none: anywhere.
    pub sms_countries: Vec<Country>,
    /// How mails and SMS read.
    pub letters: Arc<Letters>,
    /// `[docs]`: the authentication page.
    pub docs: DocsSettings,
    /// `[brand]`.
    pub brand: BrandSettings,
    /// `[dashboard]`.
    pub dashboard: DashboardSettings,
    /// `[log]`.
    pub log: LogSettings,
    /// Who has no credential, where such may call.
    pub anonymous: Option<Arc<Caller>>,
    /// How a service token looks.
    pub tokens: Environments,
    /// How a refresh token looks.
    pub sessions: Environments,
    /// A digest of each section as it holds, defaults and environment with it, but without its secrets: what tells two
    /// configurations apart for those who may not see them.
    pub digests: BTreeMap<String, String>,
    /// What is no fault and should be known: a secret that is named and not there.
    pub warnings: Vec<Fault>,
    /// Settings of it that wait for the next start: `server.listen`.
    pub waits: Vec<&'static str>,
}

impl Policy {
    /// What the service is called to people: as `[sign_in] name` says, else as `public_url` names its host.
    pub fn service_name(&self) -> Option<String> {
        let host = || self.server.public_url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        Some(self.sign_in.name.clone()).filter(|name| !name.is_empty()).or_else(host)
    }

    /// Whether anything is paid for in tokens here: a plan gives or needs them, or a route costs some.
    pub fn counts_tokens(&self) -> bool {
        let by_plan = self.plans.all().iter().any(|plan| plan.needs_balance || plan.monthly_tokens > 0);
        by_plan || self.routes.all().iter().any(|route| route.tokens > 0)
    }

    /// Whether a raw key or token stands in a text: what does is neither logged nor repeated.
    pub fn holds_secret(&self, text: &str) -> bool {
        self.holds_own(text) || jwt::within(text).next().is_some()
    }

    /// Whether a raw key, service token or refresh token of this server stands in a text.
    pub fn holds_own(&self, text: &str) -> bool {
        [&self.keys.environments, &self.tokens, &self.sessions].into_iter().any(|secrets| secrets.holds_key(text))
    }

    /// Whether what could be one, mistyped or cut short, stands in a text: what does is not logged.
    pub fn resembles_secret(&self, text: &str) -> bool {
        let secrets = [&self.keys.environments, &self.tokens, &self.sessions];
        secrets.into_iter().any(|secrets| secrets.resembles_key(text)) || jwt::within(text).next().is_some()
    }

    /// Whether something can be sent so. Where mail goes out and no SMS does, nobody reads the log for codes; where neither does,
    /// tollgate is tried, and the log has both.
    pub fn sends_by(&self, channel: Channel) -> bool {
        channel != Channel::Phone || self.sms.is_some() || self.mail.is_none()
    }

    /// Whether an SMS goes to a number, E.164: where any do, and to its country.
    pub fn reaches(&self, phone: &str) -> bool {
        self.sends_by(Channel::Phone) && Phone::parse_reached(phone, None, &self.sms_countries).is_ok()
    }

    /// What an operator should know of how people who sign in are written to.
    pub fn sending(&self) -> Option<&'static str> {
        match (&self.mail, &self.sms) {
            _ if !self.sign_in.enabled => None,
            (None, None) => Some("neither [mail] nor [sms] names a server: the links and codes of sign-in stand in the log"),
            (None, Some(_)) => Some("[mail] names no server: the links of sign-in stand in the log"),
            (Some(_), None) => Some("[sms] names no gateway: nobody can register or change a phone number, or reset a password by it"),
            (Some(_), Some(_)) => None,
        }
    }

    /// Makes it one for a server that runs on another: what only a start can change stays as it is there.
    pub fn taking_over(mut self, running: &Self) -> Result<Self, Vec<Fault>> {
        self.waits = self.server.keep(&running.server);
        match &self.upstream.target {
            Some(target) if super::upstream::is_itself(target, &self.server.listen) => Err(vec![Fault {
                key: "upstream.url".into(),
                source: target.to_string(),
                message: "is where tollgate itself listens until its next start: restart it instead".into(),
            }]),
            _ => Ok(self),
        }
    }

    /// The sections in which it differs from another, be it in a secret alone.
    pub fn sections_unlike<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let mut names = self.digests_unlike(&other.digests);
        let in_secrets = self.digests.keys().filter(|name| !self.secrets_of(name).eq(other.secrets_of(name)));
        names.extend(in_secrets.map(String::as_str));
        if *self.letters != *other.letters {
            names.push("mail");
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The sections in which it differs from what had these digests, in their order.
    pub fn digests_unlike<'a>(&'a self, digests: &'a BTreeMap<String, String>) -> Vec<&'a str> {
        let mut names: Vec<&String> = self.digests.keys().chain(digests.keys().filter(|name| !self.digests.contains_key(*name))).collect();
        names.sort_unstable();
        names.into_iter().filter(|name| self.digests.get(*name) != digests.get(*name)).map(String::as_str).collect()
    }

    /// The secrets of a section, each with its key, in the order in which they are read.
    fn secrets_of<'a>(&'a self, section: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = self.secrets.iter().filter(move |held| held.key.split('.').next() == Some(section));
        own.map(|held| (held.key.as_str(), held.secret.expose()))
    }

    /// Reads a configuration; answers every fault that can be found.
    pub fn load(file: Option<&Path>) -> Result<Self, Vec<Fault>> {
        Self::of(&Merged::read(file, false)?)
    }

    /// The same for a command that sends nothing: what a secret is does not matter to it, and whoever runs it may not be
    /// able to read it.
    pub fn load_for_command(file: Option<&Path>) -> Result<Self, Vec<Fault>> {
        Self::of(&Merged::read(file, true)?)
    }

    fn of(merged: &Merged) -> Result<Self, Vec<Fault>> {
        let faults = Faults::default();
        // Where the environment does not lie over such a section, reading it tells the same.
        let hidden =
            merged.misshapen.iter().filter(|fault| merged.values.get(&fault.key).is_some_and(|value| value.as_dict().is_some())).cloned();
        super::source::near_misses(&merged.defaults)
            .into_iter()
            .chain(hidden)
            .for_each(|fault| faults.push(fault.key, fault.source, fault.message));
        let policy = read(merged, &faults);
        match policy {
            Some(policy) if faults.is_empty() => Ok(policy),
            None if faults.is_empty() => Err(vec![Fault {
                key: String::new(),
                source: "the configuration".into(),
                message: "cannot be used, and tollgate cannot say why: please report this".into(),
            }]),
            _ => Err(faults.into_inner()),
        }
    }
}

fn read(merged: &Merged, faults: &Faults) -> Option<Policy> {
    let top = Table::top(merged, faults);
    let server = super::server::read(top.table("server"));
    let upstream = super::upstream::read(top.table("upstream"));
    if let (Some(server), Some(target)) = (&server, upstream.as_ref().and_then(|upstream| upstream.target.as_ref()))
        && super::upstream::is_itself(target, &server.listen)
    {
        top.fault_below("upstream.url", "is where tollgate itself listens: each request would go round for ever");
    }
    let cors = super::cors::read(top.table("cors"));
    let history = super::history::read(top.table("history"));
    let read = super::plans::read(&top);
    let plans = read.as_ref().map(|read| &read.plans);
    let limits = read.as_ref().filter(|read| read.is_whole).map(|read| super::plans::limit_names(&read.plans));
    let keys = super::keys::read(top.table("keys"), limits.as_deref());
    let anonymous = keys.as_ref().zip(plans).and_then(|(keys, plans)| super::keys::anonymous(&top.table("keys"), keys, plans));
    let routes = super::routes::read(&top, read.as_ref(), server.as_ref().is_some_and(|server| server.ignore_case));
    let challenge = keys.as_ref().and_then(|keys| keys.carriers.first()).map(|carrier| carrier.challenge()).unwrap_or_default();
    let style = super::style::read(&top, merged, faults, read.as_ref(), challenge);
    let webhooks = super::webhooks::read(&top);
    let notices = super::webhooks::read_notices(&top.table("notices"));
    let sign_in = super::sign_in::read(top.table("sign_in"));
    let mail = super::mail::read(top.table("mail"));
    let sms = super::sms::read(top.table("sms"));
    let (docs, brand) = (super::docs::read(top.table("docs")), super::brand::read(top.table("brand")));
    let dashboard = super::dashboard::read(top.table("dashboard"));
    let log = super::log::read(top.table("log"));
    top.finish();
    let shapes = |made: Result<Environments, String>| made.map_err(|fault| faults.push("", "tollgate", fault)).ok();
    let (tokens, sessions) = (shapes(token::shapes())?, shapes(token::refresh_shapes())?);
    let ((mail, letters), (sms, sms_countries)) = (mail?, sms?);
    Some(Policy {
        server: server?,
        upstream: upstream?,
        cors: cors?,
        history: history?,
        keys: keys?,
        plans: read?.plans,
        routes: routes?,
        style: style?,
        sign_in: sign_in?,
        mail,
        sms,
        sms_countries,
        letters,
        docs: docs?,
        brand: brand?,
        dashboard: dashboard?,
        log: log?,
        anonymous: anonymous?,
        tokens,
        sessions,
        webhooks: webhooks?,
        notices: notices?,
        digests: merged.values.iter().map(|(name, value)| (name.clone(), digest(name, value, &merged.secrets.borrow()))).collect(),
        secrets: merged.secrets.take(),
        warnings: faults.warnings(),
        waits: Vec::new(),
    })
}

/// Of a section without its secrets: whoever sees a digest could try guesses.
fn digest(section: &str, value: &Value, secrets: &[Held]) -> String {
    let mut value = value.clone();
    for held in secrets.iter().filter(|held| !matches!(held.place, Place::File(_))) {
        let path: Vec<&str> = held.key.split('.').collect();
        if path[0] == section {
            leave_out(&mut value, &path[1..]);
        }
    }
    let text = serde_json::to_string(&value).unwrap_or_default();
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes a setting out of a section; the path names each table on the way to it.
fn leave_out(value: &mut Value, path: &[&str]) {
    match (value, path) {
        // Of a list all of it: each of them is one.
        (Value::Dict(_, dict), [name]) => drop(dict.remove(name.split('[').next().unwrap_or(name))),
        (Value::Dict(_, dict), [name, rest @ ..]) => {
            // One of a list of tables: oidc[0].
            let (name, at) = name.split_once('[').map_or((*name, None), |(name, at)| (name, at.trim_end_matches(']').parse().ok()));
            match (dict.get_mut(name), at) {
                (Some(Value::Array(_, items)), Some(at)) => items.get_mut::<usize>(at).into_iter().for_each(|item| leave_out(item, rest)),
                (Some(below), _) => leave_out(below, rest),
                (None, _) => {}
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::Figment;
    use figment::providers::{Format, Toml};

    #[test]
    fn a_digest_knows_no_secret_also_not_one_in_a_list() {
        let of = |secret: &str, name: &str| {
            let text =
                format!("[sign_in]\n[[sign_in.oidc]]\nname = \"first\"\n[[sign_in.oidc]]\nname = \"{name}\"\nclient_secret = \"{secret}\"");
            let value = Figment::from(Toml::string(&text)).find_value("sign_in").unwrap();
            let held = Held { key: "sign_in.oidc[1].client_secret".into(), place: Place::Text, secret: secret.to_owned().into() };
            digest("sign_in", &value, &[held])
        };
        assert_eq!(of("hush", "second"), of("other", "second"));
        assert_ne!(of("hush", "second"), of("hush", "third"));
    }
}
