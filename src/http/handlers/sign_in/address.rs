//! Where somebody is written to, as they write it: an address, a number, or a field that takes either.

use crate::domain::email::Email;
use crate::domain::phone::{Phone, looks_like_phone};
use crate::domain::proof::Channel;
use crate::http::fields::Fields;
use crate::http::request::Call;
use crate::service::sign_in::login::Address;

/// A phone number in one of its spellings, as E.164.
pub fn phone(call: &Call, text: &str) -> Result<String, String> {
    Phone::parse(text, call.front.services.policy.sign_in.country).map(|phone| phone.as_str().to_owned())
}

/// The same where something is to be sent to it.
pub fn reached_phone(call: &Call, text: &str) -> Result<String, String> {
    let policy = &call.front.services.policy;
    Phone::parse_reached(text, policy.sign_in.country, &policy.sms_countries).map(|phone| phone.as_str().to_owned())
}

/// One field that takes an address or a number.
pub fn any(call: &Call, text: &str) -> Result<Address, String> {
    address(text, |text| phone(call, text))
}

fn address(text: &str, phone: impl Fn(&str) -> Result<String, String>) -> Result<Address, String> {
    if looks_like_phone(text) { phone(text).map(Address::Phone) } else { Email::parse(text).map(Address::Email) }
}

/// `email` or `phone`: one of them must be given, and something is to be sent to it.
pub fn either(call: &Call, fields: &mut Fields) -> Option<Address> {
    match (fields.has("email"), fields.has("phone")) {
        (false, false) => {
            // Neither may stand there as null.
            let _ = (fields.text("email"), fields.text("phone"));
            let reaches_phones = call.front.services.policy.sends_by(Channel::Phone);
            fields.fault("email", if reaches_phones { "must be given, or phone" } else { "must be given" });
            None
        }
        (true, false) => fields.given("email", |text| address(text, |text| reached_phone(call, text))),
        (false, true) => fields.given("phone", |text| reached_phone(call, text).map(Address::Phone)),
        (true, true) => {
            let _ = (fields.text("email"), fields.text("phone"));
            fields.fault("phone", "stands beside an email: give one of them");
            None
        }
    }
}
