//! `[sign_in.throttle]`: how often somebody may guess, have something sent, sign in, and change what is theirs.

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
    /// SMS in a day, whatever they are sent for and whoever gets them.
    pub sms_overall_daily: Rate,
    /// Registrations from an address.
    pub registered_by_address: Rate,
    /// Registrations from everywhere.
    pub registered_overall: Rate,
    /// Sign-ins of one user that succeed; as many again from each address from which they have signed in before.
    pub signed_in_by_user: Rate,
    /// Refreshes of one session.
    pub refreshed_by_session: Rate,
    /// What one user changes with their access tokens.
    pub changed_by_user: Rate,
}

pub(super) fn read(table: Table<'_>) -> Option<ThrottleSettings> {
    let rate = |name| table.parsed(name, Rate::parse);
    let (wrong_by_address, wrong_by_target, wrong_overall) = (rate("wrong_by_address"), rate("wrong_by_target"), rate("wrong_overall"));
    let (wrong_when_attacked, wrong_when_familiar) = (rate("wrong_when_attacked"), rate("wrong_when_familiar"));
    let (sent_by_address, sent_overall) = (rate("sent_by_address"), rate("sent_overall"));
    let (sent_by_target, sent_by_target_daily) = (rate("sent_by_target"), rate("sent_by_target_daily"));
    let sms_overall_daily = rate("sms_overall_daily");
    let (registered_by_address, registered_overall) = (rate("registered_by_address"), rate("registered_overall"));
    let (signed_in_by_user, refreshed_by_session) = (rate("signed_in_by_user"), rate("refreshed_by_session"));
    let changed_by_user = rate("changed_by_user");
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
        sms_overall_daily: sms_overall_daily?,
        registered_by_address: registered_by_address?,
        registered_overall: registered_overall?,
        signed_in_by_user: signed_in_by_user?,
        refreshed_by_session: refreshed_by_session?,
        changed_by_user: changed_by_user?,
    })
}
