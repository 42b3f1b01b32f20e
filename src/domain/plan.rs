//! Plans: named sets of limits and rights, declared in `auth.toml`.

use super::limit::Limit;

/// One plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What accounts and keys call it.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Whether its keys may call the API at all.
    pub api: bool,
    /// No limits whatsoever.
    pub unlimited: bool,
    /// Refuses with `no_balance` where the balance is 0 or less.
    pub needs_balance: bool,
    /// Tokens an account gets each billing month.
    pub monthly_tokens: i64,
    /// Granted by review only.
    pub review: bool,
    /// Its limits, as declared.
    pub limits: Vec<Limit>,
}

/// Every plan.
#[derive(Clone, Debug)]
pub struct Plans {
    all: Vec<std::sync::Arc<Plan>>,
    default: usize,
}

impl Plans {
    /// In the order of the config; `default` is an index into it. `None` where there are none, or no such index.
    pub fn new(all: Vec<Plan>, default: usize) -> Option<Self> {
        (default < all.len()).then(|| Self { all: all.into_iter().map(std::sync::Arc::new).collect(), default })
    }

    /// In the order of the config.
    pub fn all(&self) -> &[std::sync::Arc<Plan>] {
        &self.all
    }

    /// By its name.
    pub fn named(&self, name: &str) -> Option<&std::sync::Arc<Plan>> {
        self.all.iter().find(|plan| plan.name == name)
    }

    /// What an account has where nobody says, and what it falls back to when its plan ends.
    pub fn default(&self) -> &std::sync::Arc<Plan> {
        &self.all[self.default]
    }
}
