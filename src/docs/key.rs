//! How a key looks: by environment, its prefix, length, letters and checksum.

use super::markdown::{Markdown, code};
use super::{Context, fill, sample};
use crate::domain::key::{Alphabet, Environment, SHOWN};

/// The section.
pub fn write(context: &Context<'_>) -> Markdown {
    let (words, environments) = (context.words, context.policy.keys.environments.all());
    let mut text = Markdown::default();
    let in_use: Vec<&Environment> = environments.iter().filter(|environment| !environment.reserved).collect();
    let samples: Vec<String> = in_use.iter().map(|environment| sample::raw_key_of(environment)).collect();
    text.code("text", &samples.join("\n"));
    for (index, environment) in in_use.iter().enumerate() {
        // What two have in common is said once.
        let is_told = in_use[..index].iter().any(|other| other.prefix.is_empty() == environment.prefix.is_empty() && shape(context, other) == shape(context, environment));
        let purpose = (in_use.len() > 1 && !environment.prefix.is_empty())
            .then(|| fill(words.key_environment, &[("prefix", &code(&environment.prefix)), ("name", &code(&environment.name))]));
        let shape = if is_told { Vec::new() } else { shape(context, environment) };
        text.paragraph(&[vec![purpose.unwrap_or_default()], shape].concat());
    }
    for environment in environments.iter().filter(|environment| environment.reserved) {
        text.paragraph(&[fill(words.key_reserved, &[("prefix", &code(&environment.prefix))])]);
    }
    if in_use.iter().any(|environment| environment.imported) {
        text.paragraph(&[words.key_imported.into()]);
    }
    let shown = in_use.first().map_or(SHOWN, |environment| environment.prefix.len() + SHOWN);
    text.paragraph(&[fill(words.key_stored, &[("shown", &shown.to_string())])]);
    text.paragraph(&[words.key_whose.into()]);
    text
}

fn shape(context: &Context<'_>, environment: &Environment) -> Vec<String> {
    let words = context.words;
    let rest = environment.length.saturating_sub(environment.prefix.len());
    let letters = letters(context, &environment.alphabet);
    let values = [
        ("prefix", code(&environment.prefix)),
        ("length", environment.length.to_string()),
        ("rest", rest.to_string()),
        ("letters", letters),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let shape = fill(if environment.prefix.is_empty() { words.key_shape_bare } else { words.key_shape }, &values);
    let digits = environment.alphabet.checksum_digits().to_string();
    let checksum = if environment.checksum { fill(words.key_checksum, &[("digits", &digits)]) } else { String::new() };
    let pattern = format!("{}{}{{{rest}}}", escaped(&environment.prefix), class(&environment.alphabet));
    let pattern = if environment.imported { String::new() } else { fill(words.key_pattern, &[("pattern", &code(&pattern))]) };
    vec![shape, checksum, pattern]
}

/// The letters of a key, in words.
fn letters(context: &Context<'_>, alphabet: &Alphabet) -> String {
    let words = context.words;
    match class(alphabet).as_str() {
        "[0-9A-Za-z]" => words.key_letters_base62.into(),
        "[0-9a-f]" => words.key_letters_hex.into(),
        _ => fill(words.key_letters_other, &[("letters", &code(&String::from_utf8_lossy(alphabet.letters())))]),
    }
}

/// The letters as a regular expression has them: runs of three or more as ranges.
fn class(alphabet: &Alphabet) -> String {
    let mut letters = alphabet.letters().to_vec();
    letters.sort_unstable();
    let mut class = String::from("[");
    let mut rest = letters.as_slice();
    while let Some(first) = rest.first() {
        let run = rest.iter().zip(0..).take_while(|(letter, step)| **letter == first.saturating_add(*step)).count();
        if run >= 3 {
            class.push_str(&format!("{}-{}", char::from(*first), char::from(rest[run - 1])));
        } else {
            rest[..run].iter().for_each(|letter| class.push_str(&escaped(&char::from(*letter).to_string())));
        }
        rest = &rest[run..];
    }
    class + "]"
}

/// Text as a regular expression has it.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|letter| if "-.~".contains(letter) { vec!['\\', letter] } else { vec![letter] }).collect()
}

