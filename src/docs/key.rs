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
    for alike in by_shape(&in_use) {
        text.paragraph(&shape(context, &alike));
    }
    let purpose = |environment: &&Environment| {
        fill(words.key_environment, &[("prefix", &code(&environment.prefix)), ("name", &code(&environment.name))])
    };
    if in_use.len() > 1 {
        let purposes: Vec<String> = in_use.iter().filter(|environment| !environment.prefix.is_empty()).map(purpose).collect();
        text.paragraph(&[words.all_of(&purposes) + "."]);
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

/// Environments whose keys differ in no more than the prefix, together.
fn by_shape<'e>(environments: &[&'e Environment]) -> Vec<Vec<&'e Environment>> {
    let of = |one: &Environment| (one.length, one.prefix.len(), one.alphabet.letters().to_vec(), one.checksum, one.imported);
    environments.iter().fold(Vec::new(), |mut all: Vec<Vec<&Environment>>, environment| {
        match all.iter_mut().find(|alike| of(alike[0]) == of(environment)) {
            Some(alike) => alike.push(environment),
            None => all.push(vec![environment]),
        }
        all
    })
}

/// How the keys of these look, which look alike.
fn shape(context: &Context<'_>, alike: &[&Environment]) -> Vec<String> {
    let (words, first) = (context.words, alike[0]);
    let rest = first.length.saturating_sub(first.prefix.len());
    let prefixes: Vec<String> = alike.iter().map(|environment| code(&environment.prefix)).collect();
    let values = [
        ("prefixes", words.one_of(&prefixes)),
        ("length", first.length.to_string()),
        ("rest", rest.to_string()),
        ("letters", letters(context, &first.alphabet)),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let shape = fill(if first.prefix.is_empty() { words.key_shape_bare } else { words.key_shape }, &values);
    let digits = first.alphabet.checksum_digits().to_string();
    let checksum = if first.checksum { fill(words.key_checksum, &[("digits", &digits)]) } else { String::new() };
    let begins: Vec<String> = alike.iter().map(|environment| escaped(&environment.prefix)).collect();
    let begin = if begins.len() > 1 { format!("({})", begins.join("|")) } else { begins.concat() };
    let pattern = code(&format!("{begin}{}{{{rest}}}", class(&first.alphabet)));
    let pattern = if first.imported { String::new() } else { fill(words.key_pattern, &[("pattern", &pattern)]) };
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
