//! Mails and SMS on their way. What stands in them that nobody else may know is not in here.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde_json::{Map, Value};

use super::ROUND;
use super::columns::{from_json, instant, json, maybe_instant, on_its_way, word};
use crate::domain::delivery::MessageState;
use crate::domain::error::Result;
use crate::domain::id;
use crate::domain::key::KeyHash;
use crate::domain::letter::Template;
use crate::domain::proof::Channel;
use crate::domain::time::{Span, Timestamp};

/// A mail or an SMS as stored.
#[derive(Clone, Debug)]
pub struct Mail {
    /// `eml_…`.
    pub id: String,
    /// How it goes.
    pub channel: Channel,
    /// Where it goes.
    pub address: String,
    /// What it is about.
    pub template: Template,
    /// What the template speaks of.
    pub fields: Map<String, Value>,
    /// The proof or the invitation whose link or code stands in it.
    pub secret_of: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it is tried next; `None`: taken, or given up.
    pub due_at: Option<Timestamp>,
    /// How often it was tried.
    pub tries: u32,
    /// What went wrong the last time.
    pub fault: Option<String>,
    /// When it was taken.
    pub taken_at: Option<Timestamp>,
}

impl Mail {
    /// Where it is on its way.
    pub fn state(&self) -> MessageState {
        MessageState::of(self.due_at, self.taken_at)
    }
}

const COLUMNS: &str = "id, channel, address, template, fields, secret_of, created_at, due_at, tries, fault, taken_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Mail> {
    Ok(Mail {
        id: row.get("id")?,
        channel: word(row, "channel", Channel::from_name)?,
        address: row.get("address")?,
        template: word(row, "template", Template::from_name)?,
        fields: from_json(row, "fields")?,
        secret_of: row.get("secret_of")?,
        created_at: instant(row, "created_at")?,
        due_at: maybe_instant(row, "due_at")?,
        tries: row.get("tries")?,
        fault: row.get("fault")?,
        taken_at: maybe_instant(row, "taken_at")?,
    })
}

/// Adds one.
pub fn insert(connection: &Connection, mail: &Mail) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO mails (id, channel, address, template, fields, secret_of, created_at, due_at, tries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            mail.id,
            mail.channel.name(),
            mail.address,
            mail.template.name(),
            json(&mail.fields)?,
            mail.secret_of,
            mail.created_at.millis(),
            mail.due_at.map(Timestamp::millis),
            mail.tries,
        ])?;
    Ok(())
}

/// Forgets one.
pub fn remove(connection: &Connection, id: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM mails WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Forgets those to an address, sent or not.
pub fn remove_to(connection: &Connection, channel: Channel, address: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM mails WHERE address = ?1 AND channel = ?2")?.execute([address, channel.name()])?;
    Ok(())
}

/// Removes those that carry a proof of a user, whatever address that went to.
pub fn remove_of_proofs(connection: &Connection, user: i64) -> Result<()> {
    let sql = "DELETE FROM mails WHERE secret_of IN (SELECT id FROM proofs WHERE user = ?1)";
    connection.prepare_cached(sql)?.execute([user])?;
    Ok(())
}

/// How long a mail waits for an older one to the same address.
const SOON: Span = Span::from_secs(300);

/// Up to `limit` of a channel that are due, those first that waited longest. Of one address the oldest that is due soon comes
/// first; one that waits long for its next try holds up no other.
pub fn due(connection: &Connection, channel: Channel, now: Timestamp, limit: usize) -> Result<Vec<Mail>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM mails AS own WHERE due_at <= ?1 AND channel = ?2 AND NOT EXISTS (
             SELECT 1 FROM mails AS older WHERE older.address = own.address AND older.channel = own.channel AND older.due_at <= ?4
                 AND older.id < own.id
         ) ORDER BY due_at, id LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![now.millis(), channel.name(), limit as i64, now.plus(SOON).millis()], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// When the next one is due, after `now`.
pub fn next_due(connection: &Connection, now: Timestamp) -> Result<Option<Timestamp>> {
    let mut statement = connection.prepare_cached("SELECT min(due_at) FROM mails WHERE due_at > ?1")?;
    Ok(statement.query_row([now.millis()], |row| row.get::<_, Option<i64>>(0))?.map(Timestamp::from_millis))
}

/// By its id.
pub fn by_id(connection: &Connection, id: &str) -> Result<Option<Mail>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM mails WHERE id = ?1"))?;
    Ok(statement.query_row([id], from_row).optional()?)
}

/// Writes what became of a try.
pub fn update(connection: &Connection, mail: &Mail) -> Result<()> {
    connection.prepare_cached("UPDATE mails SET due_at = ?2, tries = ?3, fault = ?4, taken_at = ?5 WHERE id = ?1")?.execute(params![
        mail.id,
        mail.due_at.map(Timestamp::millis),
        mail.tries,
        mail.fault,
        mail.taken_at.map(Timestamp::millis),
    ])?;
    Ok(())
}

/// What a link or a code in a mail belongs to.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Of the token or the code.
    pub hash: KeyHash,
    /// From when on it counts no more.
    pub expires_at: Timestamp,
    /// Whether it was used, or taken back.
    pub is_done: bool,
}

impl Sealed {
    /// Whether it still counts.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        !self.is_done && now < self.expires_at
    }
}

/// Of a proof or an invitation; `None` where it is gone.
pub fn sealed(connection: &Connection, secret_of: &str) -> Result<Option<Sealed>> {
    let sql = if id::is(id::INVITATION, secret_of) {
        "SELECT hash, expires_at, coalesce(accepted_at, ended_at) IS NOT NULL FROM invitations WHERE id = ?1"
    } else {
        "SELECT hash, expires_at, used_at IS NOT NULL FROM proofs WHERE id = ?1"
    };
    let sealed = |row: &Row<'_>| {
        Ok(Sealed { hash: KeyHash::from_bytes(row.get(0)?), expires_at: Timestamp::from_millis(row.get(1)?), is_done: row.get(2)? })
    };
    Ok(connection.prepare_cached(sql)?.query_row([secret_of], sealed).optional()?)
}

/// Which mails a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those to this address.
    pub address: Option<String>,
    /// Only those of this channel.
    pub channel: Option<Channel>,
    /// Only those in this state.
    pub state: Option<MessageState>,
    /// Only those after this id.
    pub after: String,
    /// So many at the most.
    pub limit: usize,
}

/// Mails in the order of their ids.
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Mail>> {
    let state = on_its_way(filter.state);
    let sql = format!(
        "SELECT {COLUMNS} FROM mails WHERE id > :after AND (:address IS NULL OR address = :address)
             AND (:channel IS NULL OR channel = :channel) {state} ORDER BY id LIMIT :limit"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(
        named_params! {
            ":after": filter.after,
            ":address": filter.address,
            ":channel": filter.channel.map(Channel::name),
            ":limit": filter.limit as i64,
        },
        from_row,
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many are still to be sent.
pub fn waiting(connection: &Connection) -> Result<i64> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM mails WHERE due_at IS NOT NULL")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// How many were given up, up to `most`.
pub fn given_up(connection: &Connection, most: u64) -> Result<u64> {
    let mut statement = connection.prepare_cached(GIVEN_UP)?;
    let count: i64 = statement.query_row([i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

const GIVEN_UP: &str = "SELECT count(*) FROM (SELECT 1 FROM mails WHERE due_at IS NULL AND taken_at IS NULL LIMIT ?1)";

/// Forgets a bounded number of those from before `before` that are done; answers whether there may be more.
pub fn tidy(connection: &Connection, before: Timestamp) -> Result<bool> {
    let forgotten = connection
        .prepare_cached("DELETE FROM mails WHERE id IN (SELECT id FROM mails WHERE due_at IS NULL AND created_at < ?1 LIMIT ?2)")?
        .execute([before.millis(), ROUND])?;
    Ok(forgotten as i64 == ROUND)
}
