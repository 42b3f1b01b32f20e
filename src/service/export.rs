//! Everything that an import can bring along, page by page.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Services;
use crate::domain::act::Act;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::store::accounts::{self, StoredAccount};
use crate::store::keys::{self, StoredKey};

/// How many records are read at once.
const PAGE: usize = 250;

/// How many exports there may be at once: each keeps the thread that reads lists busy, and in memory what its reader did not take yet.
const AT_ONCE: usize = 2;

/// Where exports find their places.
#[derive(Clone, Debug)]
pub struct Exports(Arc<Semaphore>);

/// The place of one export, as long as it lives.
pub type Place = OwnedSemaphorePermit;

impl Default for Exports {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Services {
    /// Begins an export of all there is, or of one account, where not too many are under way. The audit tells of it, as `event`, before a row goes
    /// out: every hash leaves the house.
    pub async fn begin_export(self: &Arc<Self>, event: Event, account: Option<&str>, act: &Act) -> Result<Place> {
        self.placed(event, json!({ "account": account }), act).await
    }

    /// The same for a list as people read it; `list` is what it is called.
    pub async fn begin_list_export(self: &Arc<Self>, list: &str, act: &Act) -> Result<Place> {
        self.placed(Event::ListExported, json!({ "list": list }), act).await
    }

    async fn placed(self: &Arc<Self>, event: Event, what: Value, act: &Act) -> Result<Place> {
        let busy = |_| Error::Conflict(format!("{AT_ONCE} exports are under way already: try again when one of them is done."));
        let place = self.exports.0.clone().try_acquire_owned().map_err(busy)?;
        self.note(event, what, act).await?;
        Ok(place)
    }

    /// The next keys after an id, with their hashes; of one account where that is given. None are left where there are none.
    pub async fn keys_after(&self, account: Option<String>, after: String) -> Result<Vec<StoredKey>> {
        let filter = keys::Filter { account, search: None, after, limit: PAGE };
        self.store.list(move |connection| keys::list(connection, &filter)).await
    }

    /// The next accounts after an id, their balances as they stand now; only one where it is given.
    pub async fn accounts_after(&self, only: Option<String>, after: String, act: &Act) -> Result<Vec<StoredAccount>> {
        let filter = accounts::Filter { only, after, limit: PAGE, ..accounts::Filter::default() };
        let rows = self.store.list(move |connection| accounts::list(connection, &filter)).await?;
        Ok(rows.into_iter().map(|account| self.refilled(account, act.at)).collect())
    }
}
