//! Sending a key: the carriers in their order, HTTPS, and where a key must not be.

use super::examples::credential_header;
use super::markdown::{Markdown, capital, code};
use super::words::Words;
use super::{Context, errors, fill, sample};
use crate::domain::carrier::Carrier;
use crate::domain::verdict::Verdict;

/// The section.
pub fn write(context: &Context<'_>) -> Markdown {
    let (policy, words) = (context.policy, context.words);
    let carriers = &policy.keys.carriers;
    let mut text = Markdown::default();
    let lines = |carrier: &Carrier| shown(context, carrier);
    match carriers.as_slice() {
        [one] => {
            text.paragraph(&[words.sending_one.into()]);
            text.code("http", &lines(one));
        }
        many => {
            text.paragraph(&[words.sending_many.into()]);
            text.steps(
                &many.iter().map(|carrier| format!("{}: {}", carrier_title(words, carrier), code(&lines(carrier)))).collect::<Vec<_>>(),
            );
        }
    }
    let is_header = carriers.iter().any(|carrier| matches!(carrier, Carrier::Header(_)));
    let case = if is_header { words.sending_header_case.into() } else { String::new() };
    text.paragraph(&[words.sending_other.into(), case]);
    let status = |verdict| errors::status(context, verdict);
    let query =
        if carriers.iter().any(|carrier| matches!(carrier, Carrier::Query(_))) { words.sending_query_other } else { words.sending_query };
    let https = if policy.server.require_https {
        fill(words.sending_https, &[("status", &status(Verdict::Insecure))])
    } else {
        words.sending_https_advice.into()
    };
    text.paragraph(&[fill(query, &[("status", &status(Verdict::Misplaced))]), https]);
    if policy.sign_in.enabled && policy.sign_in.at_gate {
        text.paragraph(&[words.sending_token.into()]);
    }
    text.paragraph(&[fill(words.sending_check, &[("call", &context.get("/v1/me"))])]);
    text
}

/// What a carrier is, in words.
pub fn carrier(words: &Words, carrier: &Carrier) -> String {
    match carrier {
        Carrier::Bearer => words.carrier_bearer.into(),
        Carrier::Header(name) => fill(words.carrier_header, &[("name", &code(name.as_str()))]),
        Carrier::BasicUser => words.carrier_basic_user.into(),
        Carrier::BasicPassword => words.carrier_basic_password.into(),
        Carrier::Scheme(name) => fill(words.carrier_scheme, &[("name", &code(name))]),
        Carrier::Query(name) => fill(words.carrier_query, &[("name", &code(name))]),
    }
}

/// The same at the beginning of a line.
fn carrier_title(words: &Words, one: &Carrier) -> String {
    capital(&carrier(words, one))
}

/// How it stands in a request.
fn shown(context: &Context<'_>, carrier: &Carrier) -> String {
    let key = sample::raw_key(context.policy);
    match carrier {
        Carrier::Query(name) => format!("?{name}={key}"),
        other => credential_header(other, &key).map(|(name, value)| format!("{name}: {value}")).unwrap_or_default(),
    }
}
