//! Whether a password is strong enough to be chosen: its length, and how soon zxcvbn would have guessed it.

use zxcvbn::zxcvbn;

use crate::config::passwords::PasswordSettings;
use crate::domain::password::Password;

/// How much of what is known of somebody is looked for in their password: zxcvbn's time grows with it.
const MOST_WORDS: usize = 32;
const LONGEST_WORD: usize = 64;

/// How many characters of a password are looked at: zxcvbn's time grows fast with them, and one that is still weak then is weak.
const LOOKED_AT: usize = 48;

/// Shorter words stand in any password.
const SHORTEST_WORD: usize = 3;

/// What is wrong with it, and what would be better; no word of it.
pub(super) fn weakness(password: &Password, settings: &PasswordSettings, own: &[String]) -> Option<String> {
    if password.length() < settings.min_length {
        return Some(format!("must have at least {} characters", settings.min_length));
    }
    let own = words(own);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let looked_at: String = password.expose().chars().take(LOOKED_AT).collect();
    let guessed = zxcvbn(&looked_at, &own);
    if u8::from(guessed.score()) >= settings.min_score {
        return None;
    }
    let feedback = guessed.feedback();
    let warning = feedback.and_then(|feedback| feedback.warning()).map(|warning| warning.to_string());
    let suggestions = feedback.into_iter().flat_map(|feedback| feedback.suggestions()).map(|suggestion| suggestion.to_string());
    let said: Vec<String> = warning.into_iter().chain(suggestions).collect();
    Some(format!("is too easy to guess. {}", if said.is_empty() { "Choose another one.".into() } else { said.join(" ") }))
}

/// Names and addresses, whole and taken apart.
fn words(own: &[String]) -> Vec<String> {
    let whole = own.iter().map(String::as_str);
    let parts = own.iter().flat_map(|text| text.split(['@', '.', ' ']));
    let letters = own.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let sound = |word: &String| (SHORTEST_WORD..=LONGEST_WORD).contains(&word.chars().count());
    whole.chain(parts).chain(letters).map(str::to_lowercase).filter(sound).take(MOST_WORDS).collect()
}
