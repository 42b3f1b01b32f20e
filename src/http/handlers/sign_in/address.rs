//! Where somebody is written to, as they write it: an address, a number, or a field that takes either.

use crate::domain::email::Email;
use crate::http::fields::Fields;
use crate::http::request::Call;
use crate::service::sign_in::login::Address;

/// A phone number in one of its spellings, as E.164.
pub fn phone(call: &Call, text: &str) -> Result<String, String> {
    crate::domain::phone::Phone::parse(text, call.front.services.policy.sign_in.country).map(|phone| phone.as_str().to_owned())
}

/// One field that takes an address or a number.
pub fn any(call: &Call, text: &str) -> Result<Address, String> {
    if crate::domain::phone::looks_like_phone(text) {
        phone(call, text).map(Address::Phone)
    } else {
        Email::parse(text).map(Address::Email)
    }
}

/// `email` or `phone`: one of them must be given.
pub fn either(call: &Call, fields: &mut Fields) -> Option<Address> {
    let (email, phone_number) = (fields.text("email"), fields.text("phone"));
    match (email, phone_number) {
        (Some(email), None) => any(call, &email).map_err(|fault| fields.fault("email", fault)).ok(),
        (None, Some(number)) => phone(call, &number).map(Address::Phone).map_err(|fault| fields.fault("phone", fault)).ok(),
        (Some(_), Some(_)) => {
            fields.fault("phone", "stands beside an email: give one of them");
            None
        }
        (None, None) => {
            if !fields.has_fault("email") && !fields.has_fault("phone") {
                fields.fault("email", "must be given; or phone");
            }
            None
        }
    }
}
