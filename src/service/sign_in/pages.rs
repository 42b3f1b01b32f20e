//! The dashboard's own hold on a session: a cookie of its own, which does not rotate, because a browser opens pages side by side and
//! breaks off what it has begun. It ends with its session, whatever ends that.

use std::sync::Arc;

use super::Visit;
use crate::domain::error::Result;
use crate::domain::key::{KeyHash, PlainKey};
use crate::domain::session::SessionRecord;
use crate::domain::time::Span;
use crate::service::Services;
use crate::store::{Connection, sessions};

/// How exactly it is known when a session was used last.
const TOUCHED_EACH: Span = Span::from_secs(60);

impl Services {
    /// Gives the browser of a session what the dashboard knows it by.
    pub async fn open_pages(self: &Arc<Self>, session: &str) -> Result<PlainKey> {
        let (token, session) = (self.new_secret()?, session.to_owned());
        let hash = token.hash();
        self.store.write(move |connection: &Connection| sessions::set_page(connection, &session, &hash), |()| ()).await?;
        Ok(token)
    }

    /// The session of a page's cookie, if it lasts; noted as used now.
    pub(super) async fn session_of_page(&self, hash: KeyHash, visit: &Visit) -> Result<Option<SessionRecord>> {
        let now = visit.act.at;
        let found = self.store.read(move |connection| sessions::by_page(connection, &hash)).await?;
        let Some(mut session) = found.filter(|session| session.lasts_at(now)) else { return Ok(None) };
        if now < session.used_at.plus(TOUCHED_EACH) {
            return Ok(Some(session));
        }
        session.expires_at = self.end_of(session.created_at, now);
        (session.used_at, session.origin, session.agent) = (now, visit.act.origin.clone(), visit.agent.clone());
        let touched = session.clone();
        self.store.write(move |connection: &Connection| sessions::touch_lasting(connection, &touched), |()| ()).await?;
        Ok(Some(session))
    }
}
