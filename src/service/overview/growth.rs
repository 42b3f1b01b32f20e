//! How much there is on a server, and how much of it was made on which day.

use crate::domain::error::Result;
use crate::domain::time::{Span, Timestamp};
use crate::domain::usage::DAY;
use crate::service::Services;
use crate::store::growth::{self, Table};

/// How many days are told.
const DAYS: u64 = 14;

/// Accounts, users and keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// How many there are.
    pub all: [u64; 3],
    /// How many were made on each day, the last one first; days on which nothing was are left out.
    pub days: Vec<(Timestamp, [u64; 3])>,
}

impl Services {
    /// Counts them, a table at a time: other lists get their turn between two.
    pub(super) async fn count_growth(&self, now: Timestamp) -> Result<Growth> {
        let last = now.floor_to(DAY);
        let days: Vec<Timestamp> = (0..DAYS).map(|back| last.minus(Span::from_millis(DAY.millis() * back))).collect();
        let mut growth = Growth { all: [0; 3], days: days.iter().map(|day| (*day, [0; 3])).collect() };
        for (which, table) in Table::ALL.into_iter().enumerate() {
            growth.all[which] = self.store.list(move |connection| growth::count(connection, table)).await?;
            let of_days = days.clone();
            let made = self
                .store
                .list(move |connection| of_days.iter().map(|day| growth::made_on(connection, table, *day)).collect::<Result<Vec<_>>>());
            for ((_, counts), made) in growth.days.iter_mut().zip(made.await?) {
                counts[which] = made;
            }
        }
        growth.days.retain(|(_, counts)| counts.iter().any(|count| *count > 0));
        Ok(growth)
    }
}
