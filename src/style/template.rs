//! Text with placeholders: `Retry in {retry_after} s`. A brace itself is written twice.

use super::field::{Facts, Field};
use super::vocabulary::Vocabulary;

/// How long most filled templates are at the most.
const USUAL_LENGTH: usize = 64;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// A placeholder.
    Field(Field),
}

/// A template, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template(pub Vec<Part>);

impl Template {
    /// Takes a text apart; answers every fault in it.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Self, Vec<String>> {
        let (mut parts, mut plain, mut faults) = (Vec::new(), String::new(), Vec::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
            } else if let Some((name, after)) = after.split_once('}').filter(|_| brace == "{") {
                match Field::parse(name, vocabulary) {
                    Ok(field) => {
                        if !plain.is_empty() {
                            parts.push(Part::Text(std::mem::take(&mut plain)));
                        }
                        parts.push(Part::Field(field));
                    }
                    Err(fault) => faults.push(fault),
                }
                rest = after;
            } else {
                faults.push(format!("a single '{brace}' in \"{text}\": a brace itself is written {brace}{brace}"));
                rest = after;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        if faults.is_empty() { Ok(Self(parts)) } else { Err(faults) }
    }

    /// The placeholders in it.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(field) => Some(field),
            Part::Text(_) => None,
        })
    }

    /// Fills it; `None` where a placeholder has no value.
    pub fn fill(&self, facts: &Facts<'_>) -> Option<String> {
        let mut text = String::with_capacity(USUAL_LENGTH);
        self.write(facts, &mut text).then_some(text)
    }

    /// Fills it; nothing stands where a placeholder has no value.
    pub fn fill_what_there_is(&self, facts: &Facts<'_>) -> String {
        let mut text = String::with_capacity(USUAL_LENGTH);
        self.write(facts, &mut text);
        text
    }

    /// Writes what there is; answers whether that was everything.
    pub fn write(&self, facts: &Facts<'_>, into: &mut String) -> bool {
        let mut is_whole = true;
        for part in &self.0 {
            match part {
                Part::Text(plain) => into.push_str(plain),
                Part::Field(field) => is_whole &= facts.write(field, into),
            }
        }
        is_whole
    }
}
