//! Service tokens: made, shown once, revoked, recognised.

use std::sync::Arc;

use super::{Page, PageAsk, Services, check_name};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::id;
use crate::domain::key::{KeyHash, Looks, PlainKey};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenRecord, TokenScope};
use crate::store::Connection;
use crate::store::tokens;

impl Services {
    /// Makes a service token. The raw token is there this once.
    pub async fn create_token(
        self: &Arc<Self>,
        name: Option<String>,
        scopes: Vec<TokenScope>,
        now: Timestamp,
    ) -> Result<(TokenRecord, PlainKey)> {
        let mut faults = Vec::new();
        if scopes.is_empty() {
            faults.push(FieldFault { field: "scopes".into(), message: "must name at least one of verify, admin, metrics".into() });
        }
        if let Some(Err(message)) = name.as_deref().map(check_name) {
            faults.push(FieldFault { field: "name".into(), message });
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let shape = self.policy.tokens.default().ok_or_else(|| Error::Internal("service tokens have no shape".into()))?;
        let plain = shape.generate();
        let record = TokenRecord {
            id: id::new(id::TOKEN, now),
            name: name.unwrap_or_default(),
            scopes,
            account: None,
            created_at: now,
            expires_at: None,
            revoked_at: None,
        };
        let (hash, stored, services) = (plain.hash(), record.clone(), self.clone());
        self.store.write(move |connection| tokens::insert(connection, &hash, &stored), move |()| services.tokens.forget(&hash)).await?;
        Ok((record, plain))
    }

    /// A page of tokens, oldest first.
    pub async fn tokens(&self, ask: PageAsk) -> Result<Page<TokenRecord>> {
        let wanted = ask.clone();
        let rows = self.store.list(move |connection| tokens::list(connection, &wanted.cursor, wanted.limit + 1)).await?;
        Ok(ask.page(rows, |record| record.id.clone()))
    }

    /// Revokes a token, from the very next request on.
    pub async fn revoke_token(self: &Arc<Self>, id: &str, now: Timestamp) -> Result<()> {
        let (id, services) = (id.to_owned(), self.clone());
        let job = move |connection: &Connection| {
            let (hash, _) = tokens::by_id(connection, &id)?.ok_or_else(|| Error::no_such("token", id::TOKEN, &id))?;
            tokens::revoke(connection, &hash, now)?;
            Ok(hash)
        };
        self.store.write(job, move |hash| services.tokens.forget(hash)).await.map(|_| ())
    }

    /// Whose token this is, if it is one that counts.
    pub async fn token(&self, raw: &str, now: Timestamp) -> Result<Option<Arc<TokenRecord>>> {
        if self.policy.tokens.looks(raw) != Looks::Plausible {
            return Ok(None);
        }
        let hash = KeyHash::of(raw);
        let load = || async { self.store.read(move |connection| Ok(tokens::by_hash(connection, &hash)?.map(Arc::new))).await };
        let found = self.tokens.get(&hash, now, |_| true, load).await?;
        Ok(found.filter(|record| record.counts_at(now)))
    }
}
