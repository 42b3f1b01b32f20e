//! The world's numbering plans, out of the data of the phonenumber crate (Google's libphonenumber).
//!
//! The data is the crate's, the reading is ours, as libphonenumber has it: the crate's own takes a digit off where a number begins as its
//! country's trunk prefix does (+7 8…), and reads another country's number by the rules of the given one. Either makes it somebody else's.

use phonenumber::Metadata;
use phonenumber::country::Id;
use phonenumber::metadata::{DATABASE, Descriptor};

/// E.164's own bound, code and number together.
const MOST_DIGITS: usize = 15;

/// What almost every country dials abroad with, whatever its plan says of it (RU: 810).
const ABROAD: &str = "00";

/// Whose a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A person's: it takes calls, and perhaps SMS, at the usual price.
    Personal,
    /// Free of charge, premium rate, a company's, a pager's.
    Other,
}

/// A number that was read.
pub(super) struct Found {
    /// E.164 without the plus.
    pub digits: String,
    /// Whose it is.
    pub kind: Kind,
    /// Of which country, by its two letters: several share a code.
    pub country: &'static str,
}

/// Reads the digits of a number, with its country's code.
pub(super) fn international(digits: &str) -> Option<Found> {
    let (code, national) = (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let code: u16 = code.parse().ok().filter(|_| !code.starts_with('0'))?;
        DATABASE.by_code(&code).map(|_| (code, national))
    })?;
    let plans = DATABASE.by_code(&code)?;
    // As it stands, or with the trunk prefix that does not belong there, as +49 (0)151….
    let without = || plans.iter().find_map(|plan| without_trunk(plan, national));
    found(code, national).or_else(|| found(code, &without()?))
}

/// Reads the digits of a number as one dials it in a country.
pub(super) fn national(digits: &str, country: Id) -> Option<Found> {
    let plan = DATABASE.by_id(country.as_ref())?;
    let code = plan.country_code();
    let at_home = || without_trunk(plan, digits).and_then(|national| found(code, &national)).or_else(|| found(code, digits));
    let abroad = || {
        let prefix = plan.international_prefix().and_then(|prefix| prefix.find(digits)).filter(|prefix| prefix.start() == 0);
        let rest = prefix.map(|prefix| &digits[prefix.end()..]).or_else(|| digits.strip_prefix(ABROAD))?;
        international(rest)
    };
    // With the country's own code, but without the plus.
    let bare = || international(digits.strip_prefix(&code.to_string()).map(|_| digits)?);
    at_home().or_else(abroad).or_else(bare)
}

fn found(code: u16, national: &str) -> Option<Found> {
    let digits = format!("{code}{national}");
    let mut plans = DATABASE.by_code(&code).filter(|_| digits.len() <= MOST_DIGITS)?.into_iter();
    plans.find_map(|plan| {
        let kind = kind(plan, national).filter(|_| begins_so(plan, national))?;
        Some(Found { digits: digits.clone(), kind, country: plan.id() })
    })
}

/// Several countries share a code; some of them say how their numbers begin.
fn begins_so(plan: &Metadata, national: &str) -> bool {
    plan.leading_digits().is_none_or(|leading| leading.find(national).is_some_and(|found| found.start() == 0))
}

fn kind(plan: &Metadata, national: &str) -> Option<Kind> {
    let all = plan.descriptors();
    let is = |descriptor: Option<&Descriptor>| descriptor.is_some_and(|descriptor| descriptor.is_match(national));
    if !all.general().is_match(national) {
        return None;
    }
    let others = [
        all.premium_rate(),
        all.toll_free(),
        all.shared_cost(),
        all.pager(),
        all.uan(),
        all.voicemail(),
        all.emergency(),
        all.short_code(),
    ];
    if others.into_iter().any(is) {
        return Some(Kind::Other);
    }
    [all.mobile(), all.fixed_line(), all.personal_number(), all.voip()].into_iter().any(is).then_some(Kind::Personal)
}

/// What is left of a number without the prefix that one dials before it at home; `None` where there is no such prefix.
fn without_trunk(plan: &Metadata, digits: &str) -> Option<String> {
    let Some(pattern) = plan.national_prefix_for_parsing() else {
        return digits.strip_prefix(plan.national_prefix()?).map(str::to_owned);
    };
    let captures = pattern.captures(digits)?;
    let whole = captures.get(0).filter(|whole| whole.start() == 0)?;
    let last = (1..captures.len()).next_back().and_then(|index| captures.get(index));
    match plan.national_prefix_transform_rule() {
        Some(rule) if last.is_some() => {
            let mut text = String::new();
            captures.expand(rule, &mut text);
            Some(text + &digits[whole.end()..])
        }
        _ => (whole.end() > 0).then(|| digits[whole.end()..].to_owned()),
    }
}
