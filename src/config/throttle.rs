//! `[sign_in.throttle]`: how often somebody may guess, and have something sent.

use super::reader::Table;
use crate::domain::rate::Rate;

/// `[sign_in.throttle]`. Guesses are wrong ones: a right one is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Wrong guesses from an address, whatever they are at.
    pub wrong_by_address: Rate,
    /// Wrong guesses at one user, from whatever addresses.
    pub wrong_by_target: Rate,
    /// Wrong guesses from everywhere.
    pub wrong_overall: Rate,
    /// What an address has of its own at a user when one of those two is used up.
    pub wrong_when_attacked: Rate,
    /// What an address has of its own from which this user has signed in before.
    pub wrong_when_familiar: Rate,
    /// Mails and SMS that an address asks for.
    pub sent_by_address: Rate,
    /// That one address or number gets, in a short time.
    pub sent_by_target: Rate,
    /// That it gets in a day.
    pub sent_by_target_daily: Rate,
    /// That everybody gets.
    pub sent_overall: Rate,
    /// Registrations from an address.
    pub registered_by_address: Rate,
    /// Registrations from everywhere.
    pub registered_overall: Rate,
}

pub(super) fn read(table: Table<'_>) -> Option<ThrottleSettings> {
    let rate = |name| table.parsed(name, Rate::parse);
    let (wrong_by_address, wrong_by_target, wrong_overall) = (rate("wrong_by_address"), rate("wrong_by_target"), rate("wrong_overall"));
    let (wrong_when_attacked, wrong_when_familiar) = (rate("wrong_when_attacked"), rate("wrong_when_familiar"));
    let (sent_by_address, sent_overall) = (rate("sent_by_address"), rate("sent_overall"));
    let (sent_by_target, sent_by_target_daily) = (rate("sent_by_target"), rate("sent_by_target_daily"));
    let (registered_by_address, registered_overall) = (rate("registered_by_address"), rate("registered_overall"));
    table.finish();
    Some(ThrottleSettings {
        wrong_by_address: wrong_by_address?,
        wrong_by_target: wrong_by_target?,
        wrong_overall: wrong_overall?,
        wrong_when_attacked: wrong_when_attacked?,
        wrong_when_familiar: wrong_when_familiar?,
        sent_by_address: sent_by_address?,
        sent_by_target: sent_by_target?,
        sent_by_target_daily: sent_by_target_daily?,
        sent_overall: sent_overall?,
        registered_by_address: registered_by_address?,
        registered_overall: registered_overall?,
    })
}
