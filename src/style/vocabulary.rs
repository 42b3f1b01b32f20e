//! What templates may speak of.

use std::sync::Arc;

use crate::domain::verdict::Verdict;

/// What templates may speak of beside the fixed placeholders.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Every limit of any plan, and whether it is a quota (a fixed window of a day or longer).
    pub limits: Vec<(Arc<str>, bool)>,
    /// Whether these are all of them: where a plan cannot be read, any name may be a limit's.
    pub is_whole: bool,
    /// What `{challenge}` stands for.
    pub challenge: String,
}

impl Vocabulary {
    /// A limit's name, shared.
    pub fn limit(&self, name: &str) -> Option<Arc<str>> {
        let known = self.limits.iter().find(|(known, _)| **known == *name).map(|(known, _)| known.clone());
        known.or_else(|| (!self.is_whole).then(|| name.into()))
    }

    /// Whether running out of that limit can end in that verdict.
    pub(super) fn ends_in(&self, name: &str, verdict: Verdict) -> bool {
        let wanted = verdict == Verdict::QuotaExceeded;
        !self.is_whole || self.limits.iter().any(|(known, quota)| **known == *name && *quota == wanted)
    }
}
