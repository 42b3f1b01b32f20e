//! Everything that an import can bring along, page by page.

use super::Services;
use crate::domain::act::Act;
use crate::domain::error::Result;
use crate::store::accounts::{self, StoredAccount};
use crate::store::keys::{self, StoredKey};

/// How many records are read at once.
const PAGE: usize = 1000;

impl Services {
    /// The next keys after an id, with their hashes; of one account where that is given. None are left where there are none.
    pub async fn keys_after(&self, account: Option<String>, after: String) -> Result<Vec<StoredKey>> {
        let filter = keys::Filter { account, search: None, after, limit: PAGE };
        self.store.list(move |connection| keys::list(connection, &filter)).await
    }

    /// The next accounts after an id, their balances as they stand now; only one where it is given.
    pub async fn accounts_after(&self, only: Option<String>, after: String, act: &Act) -> Result<Vec<StoredAccount>> {
        let filter = accounts::Filter { only, search: None, after, limit: PAGE };
        let rows = self.store.list(move |connection| accounts::list(connection, &filter)).await?;
        Ok(rows.into_iter().map(|account| self.refilled(account, act.at)).collect())
    }
}
