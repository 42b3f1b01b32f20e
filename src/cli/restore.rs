//! `tollgate restore FILE`: makes a database of a copy, where there is none, with the secret that lies beside the copy.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Failure;
use super::args::RestoreArgs;
use super::backup::{described, summary};
use super::landing::Landing;
use super::output::Output;
use super::secret::{self, Taken};
use crate::app::{App, Claim};
use crate::config::Policy;
use crate::domain::act::Actor;
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::store::audit::Entry;
use crate::store::copy::{self, Content};
use crate::store::side;

pub async fn run(args: RestoreArgs, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let database = &policy.server.database;
    let failed = |reason: String| Failure::Failed(format!("nothing was restored: {reason}"));
    let unusable = |reason: String| failed(format!("{} cannot be used: {reason}", args.file.display()));
    check_free(database).map_err(failed)?;
    // Before anything is made.
    let copied = copy::look_through(&args.file).map_err(unusable)?;
    let lock = match App::claim(database).await? {
        Claim::Ours(lock) => lock,
        Claim::Served(_) => return Err(failed(format!("a server runs on {}: stop it first", database.display()))),
    };
    check_free(database).map_err(failed)?;
    // First, so that no server makes another one.
    let taken = secret::take_along(&args.file, database, false).map_err(failed)?;
    let content = take(&args.file, database, &copied).map_err(failed)?;
    drop(lock);
    let mut document = described(&content, ("database", database));
    let has_secret = matches!(taken, Taken::Yes | Taken::Same);
    document["secret"] = has_secret.then(|| side::beside(database, side::SECRET).display().to_string()).into();
    // Where nobody signs in, nothing was made with it.
    let is_missed = policy.sign_in.secrets.is_empty() && content.rows_of("users") > 0;
    output.result(&document, || told(database, &content, of_secret(taken, is_missed)));
    Ok(())
}

/// Nothing is replaced, and no log of another database may be taken for this one's.
fn check_free(database: &Path) -> Result<(), String> {
    if database.symlink_metadata().is_ok() {
        let name = database.display();
        return Err(format!(
            "there is a database at {name} already, and it is not replaced. Stop the server, move it away together with {name}-wal and \
             {name}-shm where these are there, and try again"
        ));
    }
    for side in side::of_changes(database) {
        if side.symlink_metadata().is_ok() {
            return Err(format!(
                "{} is left of a database that is gone, and may hold its last changes: move it away first",
                side.display()
            ));
        }
    }
    Ok(())
}

/// Copies the file, checks what came of it, and gives it the database's name.
fn take(file: &Path, database: &Path, copied: &Content) -> Result<Content, String> {
    let at = |reason: String| format!("{} cannot be made: {reason}", database.display());
    let landing = Landing::begin(database).map_err(at)?;
    let copy = || -> std::io::Result<()> {
        std::io::copy(&mut std::fs::File::open(file)?, &mut landing.file())?;
        landing.file().sync_all()
    };
    copy().map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull => at("the disk is full: free some space and try again".into()),
        _ => at(error.to_string()),
    })?;
    let content = copy::look_through(landing.part()).map_err(at)?;
    if content != *copied {
        return Err(format!("{} changed while it was copied: use a copy that nobody works on", file.display()));
    }
    copy::note(landing.part(), entry(file, &content)).map_err(at)?;
    landing.land(false).map_err(at)?;
    Ok(content)
}

/// What the audit of the new database tells first.
fn entry(file: &Path, content: &Content) -> Entry {
    let now = Timestamp::now();
    let file = std::path::absolute(file).unwrap_or_else(|_| file.into());
    Entry {
        id: String::new(),
        at: now,
        actor: Actor::Operator.name().to_owned(),
        origin: "control".into(),
        request_id: id::new(id::REQUEST, now),
        action: Event::DatabaseRestored.name().to_owned(),
        target: String::new(),
        account: None,
        before: Value::Null,
        after: json!({ "file": file, "newest": content.newest.map(Timestamp::rfc3339) }),
    }
}

/// What became of the secret of sign-in.
fn of_secret(taken: Taken, is_missed: bool) -> &'static str {
    match taken {
        Taken::Yes | Taken::Same => "\nThe secret of sign-in came with it: sessions and second factors go on.",
        Taken::Other => {
            "\nThe secret of sign-in that was there, DATABASE.secret, stays: it is not the one beside the copy, so sessions and second \
             factors of the copy do not go on."
        }
        Taken::None if is_missed => {
            "\nThere is no FILE.secret beside the copy: put the one that belongs to it in place as DATABASE.secret before the server \
             starts,\nor second factors and what was mailed count no more."
        }
        Taken::None | Taken::Alone => "",
    }
}

fn told(database: &Path, content: &Content, secret: &str) -> String {
    let newest = content.newest.map_or_else(String::new, |at| format!(" The newest that stands in it is of {}.", Timestamp::rfc3339(at)));
    format!(
        "{} is restored: {}.{newest}{secret}\n\n\
         All is as it was when the copy was made. What happened since is gone: keys and tokens that were revoked since PASS AGAIN, those\n\
         that were made since are unknown, and plans, balances, quotas and usage stand as they stood then.\n\n\
         Next: revoke again what was revoked since, with tollgate key revoke and tollgate token revoke, and then start the server.",
        database.display(),
        summary(content)
    )
}
