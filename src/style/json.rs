//! JSON bodies: parsed as JSON at start, so that no value can break out of its place.

use serde_json::Value;

use super::field::{Facts, Field};
use super::template::{Part, Template};
use super::vocabulary::Vocabulary;

/// A JSON body, taken apart.
#[derive(Clone, Debug)]
pub struct JsonTemplate(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    /// JSON as it is.
    Raw(String),
    /// A leaf that is one placeholder: it keeps its type, and is `null` without a value.
    Leaf(Field),
    /// A string with placeholders in it.
    Text(Template),
}

impl JsonTemplate {
    /// Takes a JSON text apart; answers every fault in it.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Self, Vec<String>> {
        let value: Value = serde_json::from_str(text).map_err(|fault| vec![format!("the body is no JSON: {fault}")])?;
        let (mut pieces, mut faults) = (Vec::new(), Vec::new());
        take_apart(&value, vocabulary, &mut pieces, &mut faults);
        if faults.is_empty() { Ok(Self(joined(pieces))) } else { Err(faults) }
    }

    /// The placeholders in it.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.0.iter().flat_map(|piece| match piece {
            Piece::Raw(_) => Vec::new(),
            Piece::Leaf(field) => vec![field],
            Piece::Text(template) => template.fields().collect(),
        })
    }

    /// The body, filled.
    pub fn fill(&self, facts: &Facts<'_>) -> String {
        let mut body = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Raw(raw) => body.push_str(raw),
                Piece::Leaf(field) => body.push_str(&facts.value(field).unwrap_or(Value::Null).to_string()),
                Piece::Text(template) => body.push_str(&Value::from(template.fill_what_there_is(facts)).to_string()),
            }
        }
        body
    }
}

fn take_apart(value: &Value, vocabulary: &Vocabulary, pieces: &mut Vec<Piece>, faults: &mut Vec<String>) {
    let raw = |pieces: &mut Vec<Piece>, text: String| pieces.push(Piece::Raw(text));
    match value {
        Value::String(text) => match Template::parse(text, vocabulary) {
            Ok(Template(parts)) => match &parts[..] {
                [Part::Field(field)] => pieces.push(Piece::Leaf(field.clone())),
                [] => raw(pieces, "\"\"".into()),
                [Part::Text(plain)] => raw(pieces, Value::from(plain.as_str()).to_string()),
                _ => pieces.push(Piece::Text(Template(parts))),
            },
            Err(more) => faults.extend(more),
        },
        Value::Array(items) => {
            raw(pieces, "[".into());
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    raw(pieces, ",".into());
                }
                take_apart(item, vocabulary, pieces, faults);
            }
            raw(pieces, "]".into());
        }
        Value::Object(entries) => {
            raw(pieces, "{".into());
            for (index, (name, item)) in entries.iter().enumerate() {
                if Template::parse(name, vocabulary).is_ok_and(|template| template.fields().next().is_some()) {
                    faults.push(format!("a placeholder cannot stand in a name: \"{name}\""));
                }
                let comma = if index > 0 { "," } else { "" };
                raw(pieces, format!("{comma}{}:", Value::from(name.as_str())));
                take_apart(item, vocabulary, pieces, faults);
            }
            raw(pieces, "}".into());
        }
        plain => raw(pieces, plain.to_string()),
    }
}

/// Neighbouring raw pieces as one.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.into_iter().fold(Vec::new(), |mut all, piece| {
        match (all.last_mut(), piece) {
            (Some(Piece::Raw(before)), Piece::Raw(text)) => before.push_str(&text),
            (_, piece) => all.push(piece),
        }
        all
    })
}
