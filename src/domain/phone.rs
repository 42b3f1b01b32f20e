//! Phone numbers: as people write them in their country, and as they are kept, E.164.

mod plan;

use std::fmt;

use phonenumber::country::Id;

use plan::{Found, Kind};

/// The longest text that is read as a number.
const LONGEST: usize = 40;

/// Fewer digits are a short code; E.164 has no more than 15, and a prefix to dial abroad comes before them.
const DIGITS: std::ops::RangeInclusive<usize> = 5..=20;

/// What may stand between digits.
const BETWEEN: &str = " \u{a0}\u{202f}()-‐‑–./";

/// A country, by which a number without its code is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country(Id);

impl Country {
    /// Reads `DE` (ISO 3166-1 alpha-2).
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no country: write its two letters (ISO 3166), as DE");
        let is_code = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        if is_code { text.parse().map(Self).map_err(|_| wrong()) } else { Err(wrong()) }
    }

    /// Its two letters.
    pub fn letters(&self) -> &str {
        self.0.as_ref()
    }

    /// What its numbers begin with: 49.
    pub fn calling_code(self) -> Option<u16> {
        phonenumber::metadata::DATABASE.by_id(self.0.as_ref()).map(|country| country.country_code())
    }
}

/// A phone number as it is kept: E.164, `+4915112345678`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

impl Phone {
    /// Reads a number as people write it: with `+` and its country's code, or, where there is a country, as one dials it there. A
    /// number that cannot be a person's is refused: premium rate, free of charge, a company's, too short. The fault does not repeat it.
    pub fn parse(text: &str, country: Option<Country>) -> Result<Self, String> {
        Self::read(text, country).map(|(phone, _)| phone)
    }

    /// The same for a number that an SMS is to go to: it is of one of these countries, or where none are named of any.
    pub fn parse_reached(text: &str, country: Option<Country>, reached: &[Country]) -> Result<Self, String> {
        let (phone, own) = Self::read(text, country)?;
        if reached.is_empty() || reached.iter().any(|Country(id)| id.as_ref() == own) {
            return Ok(phone);
        }
        let names: Vec<&str> = reached.iter().map(|Country(id)| id.as_ref()).collect();
        Err(format!("is of a country that no SMS are sent to: give a number of {}", names.join(" or ")))
    }

    /// A number, and the two letters of its country.
    fn read(text: &str, country: Option<Country>) -> Result<(Self, &'static str), String> {
        let dialled = dialled(text).ok_or_else(|| wrong(country))?;
        let read = match (dialled.strip_prefix('+'), country) {
            (Some(digits), _) => plan::international(digits),
            (None, Some(Country(id))) => plan::national(&dialled, id),
            (None, None) => None,
        };
        match read {
            Some(Found { digits, kind: Kind::Personal, country }) => Ok((Self(format!("+{digits}")), country)),
            Some(_) => Err("is no number of a person: give one that takes calls and SMS at the usual price".into()),
            None => Err(wrong(country)),
        }
    }

    /// As it was kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is meant as a phone number, where an e-mail address could stand as well: it has no `@`, and digits alone but for what
/// stands between them. It may still be none.
pub fn looks_like_phone(text: &str) -> bool {
    dialled(text).is_some()
}

/// The digits, with a `+` before them where there was one; `None` where anything else stands there.
fn dialled(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    let (plus, rest) = text.strip_prefix(['+', '＋']).map_or(("", text), |rest| ("+", rest));
    let is_sound = rest.chars().all(|c| c.is_ascii_digit() || BETWEEN.contains(c));
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    (is_sound && DIGITS.contains(&digits.len())).then(|| format!("{plus}{digits}"))
}

fn wrong(country: Option<Country>) -> String {
    match country {
        None => "is no phone number: write it with its country's code, as +4915112345678".into(),
        Some(Country(id)) => {
            format!("is no phone number: write it as one dials it in {}, or with its country's code, as +4915112345678", id.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str, country: &str) -> Result<String, String> {
        let country = Some(country).filter(|country| !country.is_empty()).map(|country| Country::parse(country).unwrap());
        Phone::parse(text, country).map(|phone| phone.to_string())
    }

    #[test]
    fn however_it_is_written() {
        for (country, e164, spellings) in [
            (
                "RU",
                "+79161234567",
                &[
                    "+79161234567",
                    "+7 916 123 45 67",
                    "+7 (916) 123-45-67",
                    "8 916 123-45-67",
                    "8(916)1234567",
                    "8-916-123-45-67",
                    "89161234567",
                    "79161234567",
                    "7 916 123 45 67",
                    "9161234567",
                    " 8\u{a0}916\u{a0}123\u{2011}45\u{2011}67 ",
                    "8.916.123.45.67",
                ][..],
            ),
            (
                "DE",
                "+4915112345678",
                &[
                    "0151 12345678",
                    "0151/12345678",
                    "0151-1234 5678",
                    "(0151) 12345678",
                    "+49 151 12345678",
                    "+49 (0)151 12345678",
                    "0049 151 12345678",
                    "＋4915112345678",
                ],
            ),
            ("DE", "+493012345678", &["030 12345678", "030/12345678"]),
            ("US", "+16502530000", &["650 253 0000", "(650) 253-0000", "1-650-253-0000", "+1 650.253.0000", "6502530000"]),
            ("GB", "+447911123456", &["07911 123456", "+44 7911 123456", "0044 7911 123456"]),
            // A nought that belongs to it stays, and so does an eight.
            ("IT", "+390612345678", &["06 1234 5678", "+39 06 1234 5678"]),
            ("RU", "+78312345678", &["8 831 234-56-78", "+7 831 234-56-78", "831 234 56 78"]),
            ("", "+78312345678", &["+7 831 234-56-78"]),
            ("BY", "+375291234567", &["8 029 123-45-67", "+375 29 123-45-67", "80291234567"]),
            // A mobile of Italy begins as its code does; of Argentina it is written in two ways.
            ("IT", "+393912345678", &["391 234 5678", "+39 391 234 5678"]),
            ("AR", "+5491123456789", &["011 15 2345-6789", "+54 9 11 2345-6789"]),
            ("BR", "+5511961234567", &["(11) 96123-4567", "0 15 11 96123-4567", "011 96123-4567"]),
            ("KZ", "+77011234567", &["8 701 123 45 67", "+7 701 123 45 67"]),
            // Another country's number is read by its code.
            ("DE", "+79161234567", &["+7 916 123 45 67", "007 916 123 45 67"]),
            ("US", "+4915112345678", &["+49 151 12345678", "011 49 151 12345678"]),
            ("", "+79161234567", &["+7 916 123-45-67"]),
            ("", "+16502530000", &["+1 (650) 253-0000"]),
        ] {
            for text in spellings {
                assert_eq!(parsed(text, country).as_deref(), Ok(e164), "{text} in {country}");
                assert!(looks_like_phone(text), "{text}");
            }
        }
    }

    #[test]
    fn what_is_kept_reads_as_itself() {
        for text in ["+79161234567", "+4915112345678", "+16502530000", "+390612345678", "+447911123456", "+8613912345678", "+5511961234567"]
        {
            for country in ["", "RU", "DE", "US", "IT", "AR", "BY"] {
                assert_eq!(parsed(text, country).as_deref(), Ok(text), "in {country:?}");
            }
        }
    }

    /// Each plan names a mobile number as an example.
    #[test]
    fn a_mobile_of_every_country() {
        let (mut seen, mut wrong) = (0, Vec::new());
        for plan in phonenumber::metadata::DATABASE.iter() {
            let Some(example) = plan.descriptors().mobile().and_then(|mobile| mobile.example()) else { continue };
            let Ok(country) = Country::parse(plan.id()) else { continue };
            let e164 = format!("+{}{example}", plan.country_code());
            for text in [e164.clone(), example.to_owned(), format!("{}{example}", plan.national_prefix().unwrap_or_default())] {
                let read = Phone::parse(&text, Some(country)).map(|phone| phone.to_string());
                // Four digits, as in Tokelau, could be anything; in Colombia nobody dials the nought before a mobile, and 03 is a carrier.
                if read.as_ref() != Ok(&e164) && text.len() > 4 && (plan.id(), text.as_str()) != ("CO", "03211234567") {
                    wrong.push(format!("{text} in {}: {read:?}", plan.id()));
                }
            }
            seen += 1;
        }
        assert!(seen > 200, "{seen}");
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_is_no_phone_number() {
        for (country, text) in [
            ("DE", ""),
            ("DE", "+"),
            ("DE", "110"),
            ("DE", "0151"),
            ("DE", "0151 1234567890123"),
            ("DE", "leopold@example.com"),
            ("DE", "4915112345678@example.com"),
            ("DE", "0151 12345678 ext. 9"),
            ("DE", "0151 12345678;ext=9"),
            ("DE", "0151 12345678x9"),
            ("DE", "0151 CALLME12"),
            ("DE", "tel:+4915112345678"),
            ("DE", "+49 151 12345678, +49 151 12345679"),
            ("DE", "++4915112345678"),
            ("DE", "49+15112345678"),
            ("DE", "０１５１１２３４５６７８"),
            ("DE", "+999123456789"),
            ("DE", "+0151 12345678"),
            ("DE", "*31#015112345678"),
            ("US", "555"),
            ("US", "123 456 7890"),
            ("US", "1-800-FLOWERS"),
            ("RU", "8 916 123 45 6"),
            ("RU", "8 916 123 45 678"),
            ("RU", "+8 916 123 45 67"),
            // Without a country there is but the code.
            ("", "8 916 123 45 67"),
            ("", "0151 12345678"),
            ("", "650 253 0000"),
        ] {
            let fault = parsed(text, country).expect_err(text);
            assert!(fault.starts_with("is no phone number"), "{text}: {fault}");
        }
    }

    #[test]
    fn what_is_nobodys() {
        for (country, text) in [
            ("DE", "0900 1234567"),
            ("DE", "0800 1234567"),
            ("US", "900 253 0000"),
            ("US", "+1 800 253 0000"),
            ("RU", "8 800 555 35 35"),
            ("RU", "8 809 505 12 34"),
            ("GB", "0909 8790000"),
        ] {
            let fault = parsed(text, country).expect_err(text);
            assert!(fault.contains("of a person"), "{text}: {fault}");
        }
    }

    #[test]
    fn where_an_address_could_stand_as_well() {
        for text in ["+7 916 123", "89161234567", "(0151) 123-456", "1234567"] {
            assert!(looks_like_phone(text), "{text}");
        }
        for text in
            ["", "leopold@example.com", "1234567@example.com", "leopold", "+7916@1234567", "1234", "1234567a", "+49 151 12345678 ext 9"]
        {
            assert!(!looks_like_phone(text), "{text}");
        }
    }

    #[test]
    fn countries() {
        for text in ["DE", "RU", "US", "KZ", "GB"] {
            assert!(Country::parse(text).is_ok(), "{text}");
        }
        for text in ["", "de", "DEU", "XX", "49", "+49", "D\u{fc}"] {
            assert!(Country::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn where_sms_go() {
        let read = |text: &str, reached: &[&str]| {
            let reached: Vec<Country> = reached.iter().map(|name| Country::parse(name).unwrap()).collect();
            Phone::parse_reached(text, Some(Country::parse("DE").unwrap()), &reached).map(|phone| phone.to_string())
        };
        // Some share a code: +1 is Canada's, too, and +7 Kazakhstan's, +44 Jersey's.
        for (text, country, others) in [
            ("0151 12345678", "DE", ["AT", "CH"]),
            ("+43 664 1234567", "AT", ["DE", "CH"]),
            ("+1 650 253 0000", "US", ["CA", "JM"]),
            ("+1 416 555 0134", "CA", ["US", "BS"]),
            ("+1 876 210 1234", "JM", ["US", "CA"]),
            ("+7 916 123 45 67", "RU", ["KZ", "BY"]),
            ("+7 701 123 45 67", "KZ", ["RU", "BY"]),
            ("+44 7400 123456", "GB", ["JE", "IE"]),
            ("+44 7797 712345", "JE", ["GB", "IE"]),
        ] {
            assert!(read(text, &[]).is_ok() && read(text, &[others[0], country]).is_ok(), "{text}");
            let fault = read(text, &others).expect_err(text);
            assert!(fault.contains(&others.join(" or ")) && !fault.contains(&text[..4]), "{fault}");
        }
        assert!(read("+999 12345678", &["DE"]).expect_err("none").starts_with("is no phone number"));
        assert!(read("+883 510 012 345", &["DE"]).is_err(), "of no country");
    }

    /// The mobile number that each plan names is of that country, whoever shares its code; but for islands and the like whose numbers are
    /// those of a larger country.
    #[test]
    fn every_country_is_told_from_its_neighbours() {
        const ALIKE: [&str; 9] = ["IM", "SJ", "AX", "BL", "EH", "VA", "CC", "MF", "CX"];
        let mut wrong = Vec::new();
        for plan in phonenumber::metadata::DATABASE.iter() {
            let Some(example) = plan.descriptors().mobile().and_then(|mobile| mobile.example()) else { continue };
            let Ok(country) = Country::parse(plan.id()) else { continue };
            let text = format!("+{}{example}", plan.country_code());
            if Phone::parse_reached(&text, None, &[country]).is_err() && !ALIKE.contains(&plan.id()) {
                wrong.push(format!("{text} in {}: {:?}", plan.id(), Phone::read(&text, None)));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[+]?[0-9 ()/.-]{0,45}", country in prop::sample::select(vec!["", "RU", "DE", "US", "IT", "AR", "MX", "BR", "KZ", "BY", "AU", "JP"])) {
            if let Ok(e164) = parsed(&text, country) {
                prop_assert_eq!(parsed(&e164, country), Ok(e164.clone()));
                prop_assert!(looks_like_phone(&text));
            }
        }

        #[test]
        fn nothing_panics_on_anything(text in "\\PC{0,45}") {
            let _ = parsed(&text, "DE");
        }
    }
}
