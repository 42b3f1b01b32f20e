//! Mails and SMS: written down with the change that they tell of; `http::mailer` sends them. What stands in one that nobody else
//! may know is worked out when it is sent, and never before.

pub(crate) mod link;
mod writing;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::journal::Change;
use super::{Page, PageAsk, Services};
use crate::domain::act::Act;
use crate::domain::email::Email;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::letter::Template;
use crate::domain::proof::Channel;
use crate::domain::time::Timestamp;
use crate::store::Connection;
use crate::store::mails::{self, Filter, Mail, Sealed};
pub use link::service_name;
pub use writing::{Ready, Unwritten};

/// Something that somebody is to be told.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// By mail or SMS.
    pub channel: Channel,
    /// Exactly where.
    pub address: &'a str,
    /// What it is about.
    pub template: Template,
    /// What the template speaks of: its [`Template::sample`] says what that is.
    pub fields: Value,
    /// The proof or invitation whose link or code is to stand in it.
    pub secret_of: Option<&'a str>,
}

/// Wakes what sends.
#[derive(Debug, Default)]
pub struct Postbox {
    wake: Notify,
}

impl Postbox {
    /// Something is there, or is to be looked at anew.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until something was written.
    pub async fn written(&self) {
        self.wake.notified().await;
    }
}

/// One that is due, with what its link or code belongs to.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Itself.
    pub mail: Mail,
    /// Where it has one: `None` where that is gone.
    pub sealed: Option<Sealed>,
}

/// Those that are due.
#[derive(Debug, Default)]
pub struct Due {
    /// Those.
    pub parcels: Vec<Parcel>,
    /// When the next one is.
    pub next: Option<Timestamp>,
}

/// Where something goes that somebody wrote by hand.
#[derive(Clone, Debug)]
pub struct Place {
    channel: Channel,
    address: String,
}

impl Place {
    /// Reads a mail address, or a number that begins with +.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(digits) = text.strip_prefix('+') else {
            return Email::parse(text).map(|email| Self { channel: Channel::Email, address: email.as_str().to_owned() });
        };
        let is_number = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let place = is_number.then(|| Self { channel: Channel::Phone, address: text.to_owned() });
        place.ok_or_else(|| "is no phone number: write it as +4915112345678".into())
    }
}

impl Services {
    /// Writes a letter down that was counted, in the transaction of the change that it tells of. Answers its id.
    pub fn post_mail(&self, connection: &Connection, letter: Letter<'_>, at: Timestamp) -> Result<String> {
        let fields = checked(&letter).map_err(|fault| Error::Internal(format!("a letter '{}': {fault}", letter.template.name())))?;
        let mail = Mail {
            id: self.next_id(connection, id::MAIL, at)?,
            channel: letter.channel,
            address: letter.address.to_owned(),
            template: letter.template,
            fields,
            secret_of: letter.secret_of.map(str::to_owned),
            created_at: at,
            due_at: Some(at),
            tries: 0,
            fault: None,
            taken_at: None,
        };
        mails::insert(connection, &mail)?;
        // Not committed yet; but whoever is woken asks by the same queue, behind this change.
        self.postbox.wake();
        Ok(mail.id)
    }

    /// The same for what merely tells somebody of something, and nobody asked for. A mail always goes; an SMS costs money, so there is
    /// none where it would be too many.
    pub(crate) fn tell(&self, connection: &Connection, letter: Letter<'_>, at: Timestamp) -> Result<()> {
        let why_not = match letter.channel {
            Channel::Phone if !self.policy.reaches(letter.address) => "none go to such a number",
            Channel::Phone if self.count_notice(letter.address, at).is_err() => "sent_by_target or sms_overall_daily is used up",
            _ => return self.post_mail(connection, letter, at).map(drop),
        };
        tracing::warn!(template = letter.template.name(), "an SMS was not sent: {why_not}");
        Ok(())
    }

    /// A page of mails, oldest first.
    pub async fn mails(&self, mut filter: Filter, ask: PageAsk) -> Result<Page<Mail>> {
        (filter.after, filter.limit) = (ask.cursor.clone(), ask.limit + 1);
        let rows = self.store.list(move |connection| mails::list(connection, &filter)).await?;
        Ok(ask.page(rows, |mail| mail.id.clone()))
    }

    /// Sends one again, from the start of its tries, whatever became of it so far.
    pub async fn retry_mail(self: &Arc<Self>, id: &str, act: &Act) -> Result<Mail> {
        let (id, act, services) = (id.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            let mut mail = mails::by_id(connection, &id)?.ok_or_else(|| Error::no_such("mail", id::MAIL, &id))?;
            if let Some(secret_of) = &mail.secret_of
                && !mails::sealed(connection, secret_of)?.is_some_and(|sealed| sealed.counts_at(act.at))
            {
                return Err(Error::Conflict("What stands in it was used, or has expired: there is nothing to send any more.".into()));
            }
            // One that nobody took was counted when it was written.
            if mail.channel == Channel::Phone && mail.taken_at.is_some() {
                services.count_notice(&mail.address, act.at)?;
            }
            (mail.due_at, mail.taken_at, mail.tries) = (Some(act.at), None, 0);
            mails::update(connection, &mail)?;
            services.enter(connection, &act, sent(Event::MailRetried, &mail))?;
            services.postbox.wake();
            Ok(mail)
        };
        self.store.write(job, |_| ()).await
    }

    /// Sends an address something to try whether it arrives: a mail, or to a number beginning with + an SMS.
    pub async fn test_mail(self: &Arc<Self>, to: Place, act: &Act) -> Result<Mail> {
        let (act, services) = (act.clone(), self.clone());
        let job = move |connection: &Connection| {
            if to.channel == Channel::Phone {
                services.count_notice(&to.address, act.at)?;
            }
            let letter = Letter { channel: to.channel, address: &to.address, template: Template::Test, fields: json!({}), secret_of: None };
            let id = services.post_mail(connection, letter, act.at)?;
            let mail = mails::by_id(connection, &id)?.ok_or_else(|| Error::Internal("a mail is gone that was just written".into()))?;
            services.enter(connection, &act, sent(Event::MailTest, &mail))?;
            Ok(mail)
        };
        self.store.write(job, |_| ()).await
    }

    /// Up to so many that are due of each channel. Asked by the writer's queue, so that whatever was written before is seen, and is
    /// committed.
    pub async fn due_mails(&self, wanted: Vec<(Channel, usize)>, now: Timestamp) -> Result<Due> {
        let job = move |connection: &Connection| {
            let mut due = Due { parcels: Vec::new(), next: mails::next_due(connection, now)? };
            for (channel, most) in &wanted {
                for mail in mails::due(connection, *channel, now, *most)? {
                    let sealed = mail.secret_of.as_deref().map(|id| mails::sealed(connection, id)).transpose()?.flatten();
                    due.parcels.push(Parcel { mail, sealed });
                }
            }
            Ok(due)
        };
        self.store.write(job, |_| ()).await
    }

    /// Notes what became of a try. One that was asked for again meanwhile stays due.
    pub async fn note_mail(&self, mail: &Mail, tried: Timestamp) -> Result<()> {
        let mail = mail.clone();
        let job = move |connection: &Connection| {
            let now = mails::by_id(connection, &mail.id)?;
            let is_asked_again = now.is_some_and(|now| now.due_at.is_some_and(|due| due > tried));
            if is_asked_again { Ok(()) } else { mails::update(connection, &mail) }
        };
        self.store.write(job, |()| ()).await
    }

    /// How many are still to be sent.
    pub async fn waiting_mails(&self) -> Result<u64> {
        self.store.list(mails::waiting).await.map(i64::unsigned_abs)
    }
}

/// Every field that the template speaks of, and no other, so that no letter fails once it is to be sent.
fn checked(letter: &Letter<'_>) -> Result<Map<String, Value>, String> {
    let Value::Object(fields) = &letter.fields else { return Err("its fields are no object".into()) };
    let sample = letter.template.sample();
    if let Some(name) = sample.keys().find(|name| !fields.contains_key(*name)) {
        return Err(format!("'{name}' is missing"));
    }
    if let Some(name) = fields.keys().find(|name| !sample.contains_key(*name)) {
        return Err(format!("'{name}' is none of its fields"));
    }
    if !letter.template.goes_by(letter.channel) {
        return Err(format!("it does not go by {}", letter.channel.name()));
    }
    if letter.template.is_secret() != letter.secret_of.is_some() {
        return Err("what its link or code belongs to is missing, or it has none".into());
    }
    Ok(fields.clone())
}

/// A mail that somebody had sent, for the audit.
fn sent(event: Event, mail: &Mail) -> Change<'_> {
    let after = json!({ "template": mail.template.name(), "channel": mail.channel.name() });
    Change { event, target: &mail.id, account: None, before: Value::Null, after }
}
