//! Applications for plans that are granted by review.

use super::time::Timestamp;

/// How an application stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationState {
    /// It waits for a decision.
    Open,
    /// The account has the plan.
    Approved,
    /// It has not.
    Rejected,
    /// It was taken back.
    Withdrawn,
}

impl ApplicationState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::Approved, Self::Rejected, Self::Withdrawn];

    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// An application as stored.
#[derive(Clone, Debug)]
pub struct ApplicationRecord {
    /// `app_…`.
    pub id: String,
    /// Which account asks.
    pub account: String,
    /// Who asks for it.
    pub user: i64,
    /// For which plan.
    pub plan: String,
    /// What for.
    pub use_case: String,
    /// How much they expect, in their words.
    pub volume: String,
    /// When.
    pub created_at: Timestamp,
    /// How it stands.
    pub state: ApplicationState,
    /// When it was decided, or taken back.
    pub decided_at: Option<Timestamp>,
    /// By whom, as the audit calls them.
    pub decided_by: Option<String>,
    /// What the applicant is told with it.
    pub note: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_name() {
        for state in ApplicationState::ALL {
            assert_eq!(ApplicationState::from_name(state.name()), Some(state));
        }
    }
}
