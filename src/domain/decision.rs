//! One decision of the gate: everything that may be told of it.

use std::sync::Arc;

use smallvec::SmallVec;

use super::balance::Paid;
use super::caller::Caller;
use super::limit::Limit;
use super::time::Timestamp;
use super::verdict::Verdict;

/// One limit as it stands after the decision. Which limit it is, is its place in the caller's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Index into [`Caller::limits`].
    pub limit: usize,
    /// Whether the request draws on it.
    pub is_drawn_on: bool,
    /// How much is left.
    pub remaining: u64,
    /// When nothing is counted any more.
    pub reset: Timestamp,
    /// Whether this request ran into it.
    pub exceeded: bool,
    /// Where it did: when the same request would fit. [`Timestamp::MAX`] where it never would.
    pub opens: Timestamp,
}

/// What the gate decided, of whom, and how the limits stand.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// Who was recognised, if anybody.
    pub caller: Option<Arc<Caller>>,
    /// How the caller's limits stand.
    pub standings: SmallVec<[Standing; 4]>,
    /// Index into `standings`: the limit that decided; on a pass the tightest.
    pub deciding: Option<usize>,
    /// The account's balance afterwards.
    pub balance: Option<i64>,
    /// What the request drew from limits in requests.
    pub cost: u64,
    /// What it cost in tokens.
    pub tokens: u64,
    /// Where those tokens were taken from, once they were.
    pub paid: Option<Paid>,
    /// When it was decided.
    pub at: Timestamp,
}

impl Decision {
    /// A verdict about nobody.
    pub fn of_nobody(verdict: Verdict, at: Timestamp) -> Self {
        Self { verdict, caller: None, standings: SmallVec::new(), deciding: None, balance: None, cost: 0, tokens: 0, paid: None, at }
    }

    /// The limit that a standing is of.
    pub fn limit(&self, standing: &Standing) -> Option<&Limit> {
        self.caller.as_deref()?.limits.get(standing.limit)
    }

    /// The limit that decided and how it stands; on a pass the tightest.
    pub fn deciding(&self) -> Option<(&Limit, &Standing)> {
        let standing = self.standings.get(self.deciding?)?;
        Some((self.limit(standing)?, standing))
    }

    /// A limit by its name, and how it stands.
    pub fn named(&self, name: &str) -> Option<(&Limit, &Standing)> {
        self.standings.iter().find_map(|standing| self.limit(standing).filter(|limit| *limit.name == *name).map(|limit| (limit, standing)))
    }

    /// The same, told as the refusal that it was a moment ago, though by now it would pass: of the windows that end so, the
    /// tightest may have refused, and it has opened since.
    pub fn refused_as(mut self, verdict: Verdict) -> Self {
        if !verdict.knows_caller() {
            return Self::of_nobody(verdict, self.at);
        }
        let ends_so = |(_, standing): &(usize, &Standing)| {
            let ends_in_quota = verdict == Verdict::QuotaExceeded;
            standing.is_drawn_on && self.limit(standing).is_some_and(|limit| !limit.observe && limit.is_quota() == ends_in_quota)
        };
        let tightest = self.standings.iter().enumerate().filter(ends_so).min_by_key(|(_, standing)| standing.remaining).map(|(at, _)| at);
        self.deciding = tightest.filter(|_| verdict.by_limit()).or(self.deciding);
        self.verdict = verdict;
        self
    }

    /// When to try again: only where a window decided and ever opens.
    pub fn retry_at(&self) -> Option<Timestamp> {
        let (_, standing) = self.deciding()?;
        (self.verdict.by_limit() && standing.opens != Timestamp::MAX).then_some(standing.opens)
    }

    /// Whole seconds until then, rounded up, at least 1.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_at().map(|at| at.millis_since(self.at).div_ceil(1000).max(1))
    }
}
