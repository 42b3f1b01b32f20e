//! Gives back what a request was charged, where the app behind the gate failed.

use std::net::IpAddr;

use super::Services;
use super::meter::subject::SubjectId;
use crate::domain::decision::Decision;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

impl Services {
    /// Gives limits and balance back what a pass was charged; the decision then tells how they stand.
    pub async fn refund(&self, decision: &mut Decision, client: Option<IpAddr>, now: Timestamp) -> Result<()> {
        let Some(caller) = decision.caller.clone() else { return Ok(()) };
        if let (Some(paid), Some(account)) = (decision.paid.take(), &caller.account) {
            decision.balance = Some(self.put_back_tokens(&account.id, paid, now).await?.total());
        }
        let subjects = match (&caller.key, &caller.account) {
            (Some(key), Some(account)) => {
                let (id, account) = (key.id.as_str().into(), account.id.as_str());
                let key = self.meter.subject(SubjectId::Key { id, account: account.into() }, now);
                let account = self.meter.subject(SubjectId::Account(account.into()), now);
                // Put away meanwhile, they are read anew.
                self.meter.load(&key).await?;
                self.meter.load(&account).await?;
                Some((key, account))
            }
            _ => None,
        };
        let counted = self.counted(&caller, subjects.as_ref().map(|(key, account)| (key, account)), client, now).await?;
        self.give_back_limits(decision, &caller, &counted, now);
        decision.at = now;
        Ok(())
    }
}
