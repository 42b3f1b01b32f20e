//! Accounts, keys and users brought along from elsewhere: rows as they come, checked beside the database, and moved only when all are sound.

use std::pin::Pin;
use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::{accounts, keys};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::key::{KeyHash, PlainKey};
use crate::domain::time::Timestamp;
use crate::http::feed::{Fed, Feed, feed};
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::rows::{self, Format, Rows};
use crate::service::accounts::AccountInput;
use crate::service::import::users::UserRow;
use crate::service::import::{AccountRow, Admitted, Gathering, KeyRow, MOST_FAULTS, Mover, RowFault, What};
use crate::store::idempotency::Once;

/// How much must come within which time: there is one import at a time, and others wait for it.
const LEAST: usize = 4096;
const PACE: Duration = Duration::from_secs(30);

/// How much is read of a body that nobody wants any more.
const MOST_UNWANTED: usize = 64 << 20;

const LINES: HeaderValue = HeaderValue::from_static("application/jsonl");

/// Imports accounts.
pub async fn accounts(call: Call) -> Result<Response, Unreadable> {
    import(call, What::Accounts).await
}

/// Imports keys, raw or as their hashes.
pub async fn keys(call: Call) -> Result<Response, Unreadable> {
    import(call, What::Keys).await
}

/// Imports users, with their passwords' hashes.
pub async fn users(call: Call) -> Result<Response, Unreadable> {
    import(call, What::Users).await
}

async fn import(mut call: Call, what: What) -> Result<Response, Unreadable> {
    call.query(&[]).finish()?;
    let Some(format) = Format::of_media(&call.media()) else { return Ok(wrong_type(&call.request_id)) };
    let (services, request_id, wants_lines) = (call.front.services.clone(), call.request_id.clone(), wants_lines(&call));
    let mut once = call.once(what.operation(), &Value::Null)?;
    let admitted = services.import(what, &call.act()?)?;
    let (feed, fed) = feed();
    let now = call.now;
    let gathering = on_a_thread(move || gather(admitted, what, format, fed, now));
    let read = pass(&mut call, feed).await;
    let gathered = gathering.await;
    let hash = read?;
    // The body may have taken long: whoever may no more, imports no more.
    call.still_may().await?;
    let is_hopeless = gathered.as_ref().is_ok_and(Gathering::is_hopeless);
    if let Some(once) = once.as_mut().filter(|_| !is_hopeless) {
        once.request = hash;
        if let Some(rows) = services.imported(once.clone(), Timestamp::now()).await? {
            return Ok(response::json(StatusCode::OK, &imported(rows)));
        }
    }
    let gathered = gathered?;
    let (told, answer) = if wants_lines { lines(request_id.clone()) } else { once_done(request_id.clone()) };
    match finish(gathered, (hash, once), told).await? {
        Err(faults) => Ok(refused(what, &faults, &request_id)),
        Ok(()) => Ok(answer.await?),
    }
}

/// Seals an import and moves its rows, all of it on one thread: once it is sealed its rows move, whoever has gone. Answers when it is
/// sealed, or what is wrong with it.
async fn finish(gathered: Gathering, (hash, once): ([u8; 32], Option<Once>), told: Told) -> Result<std::result::Result<(), Vec<RowFault>>> {
    let (answer, answered) = oneshot::channel();
    tokio::task::spawn_blocking(move || match gathered.seal(hash, once.as_ref()) {
        Ok(Ok(mover)) => {
            // Whoever asked may have gone.
            let _ = answer.send(Ok(Ok(())));
            move_rows(mover, told);
        }
        Ok(Err(faults)) => drop(answer.send(Ok(Err(faults)))),
        Err(error) => drop(answer.send(Err(error))),
    });
    answered.await.unwrap_or_else(|_| Err(panicked()))
}

fn panicked() -> Error {
    Error::Internal("the thread of an import ended in a panic".into())
}

/// Passes the body on to whoever gathers; answers the hash of all of it. What nobody wants any more is read all the same, for a
/// while: who is still sending would not see the answer.
async fn pass(call: &mut Call, feed: Feed) -> Result<[u8; 32], Unreadable> {
    let (mut pieces, mut digest, mut unwanted) = (call.pieces(), Sha256::new(), 0);
    let (mut since, mut came) = (Instant::now(), 0);
    while unwanted < MOST_UNWANTED
        && let Some(piece) = pieces.next().await?
    {
        digest.update(&piece);
        came += piece.len();
        if since.elapsed() > PACE {
            if came < LEAST {
                return Err(Unreadable::TooSlow);
            }
            (since, came) = (Instant::now(), 0);
        }
        let length = piece.len();
        if feed.send(piece).await.is_err() {
            unwanted += length;
        }
    }
    feed.end();
    Ok(digest.finalize().into())
}

/// Runs what may take long on a thread of its own, from now on.
fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> impl Future<Output = Result<T>> {
    let working = tokio::task::spawn_blocking(work);
    async { working.await.unwrap_or_else(|error| Err(Error::Internal(format!("a thread ended in a panic: {error}")))) }
}

/// Reads and checks every row, until there are none, or too many are wrong.
fn gather(admitted: Admitted, what: What, format: Format, fed: Fed, now: Timestamp) -> Result<Gathering> {
    let mut gathering = admitted.start()?;
    let fields: &[&str] = match what {
        What::Accounts => &rows::ACCOUNT,
        What::Keys => &rows::KEY,
        What::Users => &rows::USER,
    };
    let mut rows = Rows::new(format, fed.into_reader(), fields);
    let broken = |error: std::io::Error| Error::Unavailable(format!("the rows of an import broke off: {error}"));
    while let Some((line, row)) = rows.next().map_err(broken)? {
        match row {
            Err(faults) => gathering.refuse(line, faults),
            Ok(value) => match (Fields::new(value), what) {
                (Err(_), _) => gathering.refuse(line, vec![FieldFault { field: String::new(), message: "must be a JSON object".into() }]),
                (Ok(fields), What::Keys) => gathering.key(line, key(fields, now))?,
                (Ok(fields), What::Accounts) => gathering.account(line, account(fields))?,
                (Ok(fields), What::Users) => gathering.user(line, user(fields))?,
            },
        }
        if gathering.is_hopeless() {
            break;
        }
    }
    Ok(gathering)
}

fn key(mut fields: Fields, now: Timestamp) -> KeyRow {
    let wrong_hash = "must be the SHA-256 of a key: 64 hex digits, or 43 or 44 letters of base64";
    let hash = fields.parsed("hash", |text| KeyHash::parse(text).ok_or(wrong_hash)).flatten();
    KeyRow {
        account: fields.text("account"),
        id: fields.text("id"),
        key: fields.text("key").map(PlainKey::new),
        hash,
        prefix: fields.text("prefix").filter(|prefix| !prefix.is_empty()),
        created_at: fields.parsed("created_at", Timestamp::parse).flatten(),
        last_used_at: fields.parsed("last_used_at", Timestamp::parse).flatten(),
        revoked_at: fields.parsed("revoked_at", Timestamp::parse).flatten(),
        replaced_by: fields.text("replaced_by"),
        input: keys::read(fields, now),
    }
}

fn account(mut fields: Fields) -> AccountRow {
    AccountRow {
        id: fields.text("id"),
        created_at: fields.parsed("created_at", Timestamp::parse).flatten(),
        plan_tokens: fields.tokens("plan_tokens"),
        bonus_tokens: fields.tokens("bonus_tokens"),
        period: fields.parsed("period", Timestamp::parse).flatten(),
        input: accounts::read_fields(fields),
    }
}

fn user(mut fields: Fields) -> UserRow {
    let mut row = UserRow {
        email: fields.text("email"),
        phone: fields.text("phone"),
        name: fields.text("name"),
        password_hash: fields.text("password_hash"),
        verified: fields.flag("verified"),
        disabled: fields.flag("disabled"),
        created_at: fields.parsed("created_at", Timestamp::parse).flatten(),
        account: AccountRow {
            id: fields.text("account"),
            input: AccountInput {
                name: fields.text("account_name"),
                plan: fields.text("plan"),
                plan_until: fields.parsed("plan_until", Timestamp::parse),
                balance: fields.tokens("balance"),
                ..AccountInput::default()
            },
            ..AccountRow::default()
        },
        faults: Vec::new(),
    };
    row.faults = fields.into_faults();
    row
}

fn imported(rows: u64) -> Value {
    json!({ "imported": rows })
}

/// Who is told how rows move. They may have gone: the rows move all the same.
enum Told {
    /// When all have.
    Once(oneshot::Sender<Result<u64, String>>),
    /// With a line each time.
    Lines(Feed, String),
}

type Answer = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;

/// An answer when all rows have moved.
fn once_done(request_id: String) -> (Told, Answer) {
    let (answer, answered) = oneshot::channel::<Result<u64, String>>();
    let response = async move {
        match answered.await {
            Ok(Ok(rows)) => Ok(response::json(StatusCode::OK, &imported(rows))),
            Ok(Err(detail)) => Ok(response::problem(StatusCode::SERVICE_UNAVAILABLE, &detail, Vec::new(), &request_id)),
            Err(_) => Err(panicked()),
        }
    };
    (Told::Once(answer), Box::pin(response))
}

/// An answer that tells how many rows have moved as they do: a line each time, the last with all of them. Where it is interrupted the
/// last says why, and the answer does not end properly.
fn lines(request_id: String) -> (Told, Answer) {
    let (feed, response) = response::streamed(LINES);
    (Told::Lines(feed, request_id), Box::pin(std::future::ready(Ok(response))))
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

impl Told {
    fn moved(&self, moved: u64, rows: u64) {
        if let Self::Lines(feed, _) = self {
            feed.offer(line(&json!({ "moved": moved, "rows": rows })));
        }
    }

    fn done(self, rows: u64) {
        match self {
            Self::Once(answer) => drop(answer.send(Ok(rows))),
            Self::Lines(feed, _) => {
                let _ = feed.send_blocking(line(&imported(rows)));
                feed.end();
            }
        }
    }

    fn interrupted(self, detail: String) {
        match self {
            Self::Once(answer) => drop(answer.send(Err(detail))),
            Self::Lines(feed, request_id) => {
                let title = StatusCode::SERVICE_UNAVAILABLE.canonical_reason();
                let problem = json!({ "title": title, "status": 503, "detail": detail, "request_id": request_id });
                let _ = feed.send_blocking(line(&problem));
            }
        }
    }
}

/// Moves all rows. Where that fails half-way it is told, and tried again until it is done.
fn move_rows(mut mover: Mover, told: Told) {
    let mut moved = 0;
    loop {
        match mover.step() {
            Ok(Some(so_far)) => {
                moved = so_far;
                told.moved(moved, mover.rows());
            }
            Ok(None) => return told.done(mover.clean()),
            Err(error) => {
                mover.lament(&error);
                told.interrupted(format!(
                    "The database cannot be written right now. {moved} of {} {} are in; the import is kept and goes on by itself as soon as it can, after a restart too. The log says why.",
                    mover.rows(),
                    mover.what().name()
                ));
                return mover.persist();
            }
        }
    }
}

fn wants_lines(call: &Call) -> bool {
    call.accepted().any(|media| Format::of_media(&media) == Some(Format::Jsonl))
}

fn wrong_type(request_id: &str) -> Response {
    let detail = "Send rows, with Content-Type: application/jsonl or text/csv.";
    response::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail, Vec::new(), request_id)
}

/// Every row that is wrong, in the order of the file.
fn refused(what: What, faults: &[RowFault], request_id: &str) -> Response {
    let mut lines: Vec<u64> = faults.iter().map(|fault| fault.line).collect();
    lines.dedup();
    let (count, first) = (lines.len(), lines.first().copied().unwrap_or_default());
    let at_least = if faults.len() >= MOST_FAULTS { "At least " } else { "" };
    let detail = format!(
        "{at_least}{count} {} wrong, from line {first} on: no {} were imported.",
        if count == 1 { "row is" } else { "rows are" },
        what.name()
    );
    let errors = faults.iter().map(|fault| json!({ "line": fault.line, "field": fault.field, "message": fault.message }));
    response::problem(StatusCode::BAD_REQUEST, &detail, errors.collect(), request_id)
}
