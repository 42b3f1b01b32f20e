//! What answers requests now: one place, swapped whole when a new configuration is taken. Each request takes what is there when it
//! begins and keeps it to its end, so it sees one configuration.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::front::Front;
use crate::service::Services;

/// The front of the configuration in force.
pub struct Current(ArcSwap<Front>);

impl Current {
    /// Begins with this one.
    pub fn new(front: Front) -> Self {
        Self(ArcSwap::from_pointee(front))
    }

    /// The one that is in force now. No lock is taken, and no more counted than by a clone.
    pub fn front(&self) -> Arc<Front> {
        self.0.load_full()
    }

    /// The services of the one that is in force now.
    pub fn services(&self) -> Arc<Services> {
        self.0.load().services.clone()
    }

    /// Puts another one in force. Requests under way keep the one before.
    pub fn replace(&self, front: Front) {
        self.0.store(Arc::new(front));
    }
}
