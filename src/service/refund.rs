//! Gives back what a request was charged: where the app behind the gate failed, or the balance did not cover it after all.

use std::net::IpAddr;
use std::sync::Arc;

use super::Services;
use super::gate::{Counted, tightest};
use super::meter::subject::SubjectId;
use crate::domain::caller::Caller;
use crate::domain::decision::Decision;
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

impl Services {
    /// Gives limits and balance back what a pass was charged; the decision then tells how they stand. It goes on where
    /// nobody waits for it any more; what could not be given back is logged.
    pub async fn refund(self: &Arc<Self>, decision: Decision, client: Option<IpAddr>, request_id: &str, now: Timestamp) -> Decision {
        let (services, charged, id) = (self.clone(), decision.clone(), request_id.to_owned());
        let refunding = tokio::spawn(async move { services.give_back(charged, client, &id, now).await });
        refunding.await.unwrap_or_else(|error| {
            tracing::error!(request_id, "giving back ended in a panic: {error}");
            decision
        })
    }

    async fn give_back(self: &Arc<Self>, mut decision: Decision, client: Option<IpAddr>, request_id: &str, now: Timestamp) -> Decision {
        let Some(caller) = decision.caller.clone() else { return decision };
        if let Err(error) = self.give_limits_back(&mut decision, &caller, client, now).await {
            tracing::error!(request_id, "what a failed request was charged in limits could not be given back: {error}");
        }
        if let (Some(paid), Some(account)) = (decision.paid.take(), &caller.account) {
            match self.put_back_tokens(&account.id, paid, now).await {
                Ok(balance) => decision.balance = Some(balance.total()),
                Err(error) => tracing::error!(request_id, "the tokens of a failed request could not be given back: {error}"),
            }
        }
        decision.at = now;
        decision
    }

    async fn give_limits_back(&self, decision: &mut Decision, caller: &Caller, client: Option<IpAddr>, now: Timestamp) -> Result<()> {
        let subjects = match SubjectId::of(caller) {
            Some((own, account)) => {
                let (key, account) = (self.meter.subject(own, now), self.meter.subject(account, now));
                // Put away meanwhile, they are read anew.
                self.meter.load(&key).await?;
                self.meter.load(&account).await?;
                Some((key, account))
            }
            None => None,
        };
        let counted = self.counted(caller, subjects.as_ref().map(|(key, account)| (key, account)), client, now).await?;
        self.give_back_limits(decision, caller, &counted, now);
        Ok(())
    }

    /// Gives limits back what a decision charged them, and tells anew how they stand.
    pub(super) fn give_back_limits(&self, decision: &mut Decision, caller: &Caller, counted: &Counted, now: Timestamp) {
        let mut states = counted.lock();
        for standing in &mut decision.standings {
            let limit = &caller.limits[standing.limit];
            let Some(state) = &mut states[limit.count as usize] else { continue };
            let slot = state.window(limit);
            if standing.is_drawn_on && !standing.exceeded {
                slot.window.give_back(limit, limit.price(decision.cost, decision.tokens), decision.at, standing.reset);
                slot.is_saved = false;
            }
            let after = slot.window.look(limit, 0, now);
            (standing.remaining, standing.reset) = (after.remaining, after.reset);
        }
        decision.deciding = tightest(decision, caller);
        self.list_changed(states, counted);
    }
}
