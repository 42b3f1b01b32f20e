//! Reads a JSON object field by field: every wrong field is named in one answer, and so is every one that nobody knows.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::domain::balance;
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::nearest::hint;
use crate::domain::time::{Span, Timestamp};
use crate::service::limits::OverrideChanges;

/// How many unknown fields one answer names.
const MOST_FAULTS: usize = 100;

/// An object, while it is read.
pub struct Fields {
    map: Map<String, Value>,
    known: Vec<&'static str>,
    /// Fields that were given under their other name, which is the one that faults are told under.
    called: Vec<(&'static str, &'static str)>,
    faults: Vec<FieldFault>,
}

impl Fields {
    /// Takes the object.
    pub fn new(value: Value) -> Result<Self> {
        match value {
            Value::Object(map) => Ok(Self { map, known: Vec::new(), called: Vec::new(), faults: Vec::new() }),
            _ => Err(Error::field("body", "must be a JSON object")),
        }
    }

    /// A fault of a field.
    pub fn fault(&mut self, field: &str, message: impl Display) {
        self.faults.push(FieldFault { field: field.into(), message: message.to_string() });
    }

    /// A field that may also be called as the command line has it; both at once could mean two things.
    pub fn also_called(&mut self, name: &'static str, other: &'static str) {
        if let Some(value) = self.map.shift_remove(other) {
            if self.map.contains_key(name) {
                self.fault(other, format!("stands beside '{name}': give one of them"));
            } else {
                self.map.insert(name.to_owned(), value);
                self.called.push((name, other));
            }
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.map.shift_remove(name)
    }

    /// A field that may be null: outer `None` where it is not there.
    pub fn nullable<T>(&mut self, name: &'static str, wanted: &str, read: impl FnOnce(Value) -> Option<T>) -> Option<Option<T>> {
        match self.take(name)? {
            Value::Null => Some(None),
            value => {
                let read = read(value);
                if read.is_none() {
                    self.fault(name, format!("must be {wanted}"));
                }
                read.map(Some)
            }
        }
    }

    /// A field; null is as if it were not there.
    pub fn get<T>(&mut self, name: &'static str, wanted: &str, read: impl FnOnce(Value) -> Option<T>) -> Option<T> {
        self.nullable(name, wanted, read).flatten()
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.get(name, "a text", text)
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.get(name, "true or false", |value| value.as_bool())
    }

    /// A whole number from 0 to `most`.
    pub fn number(&mut self, name: &'static str, most: u64) -> Option<u64> {
        self.get(name, &format!("a whole number from 0 to {most}"), |value| whole(&value)?.try_into().ok().filter(|number| *number <= most))
    }

    /// Tokens, which may be negative.
    pub fn tokens(&mut self, name: &'static str) -> Option<i64> {
        let wanted = format!("a whole number from -{0} to {0}", balance::MOST);
        self.get(name, &wanted, |value| whole(&value).filter(|number| (-balance::MOST..=balance::MOST).contains(number)))
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.get(name, "a list of texts", |value| match value {
            Value::Array(items) => items.into_iter().map(text).collect(),
            _ => None,
        })
    }

    /// A text that has to be read further; its own fault is told. May be null.
    pub fn parsed<T, E: Display>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<Option<T>> {
        match self.nullable(name, "a text", text)? {
            None => Some(None),
            Some(text) => match parse(&text) {
                Ok(value) => Some(Some(value)),
                Err(fault) => {
                    self.fault(name, fault);
                    None
                }
            },
        }
    }

    /// Whether a field is there, and not null.
    pub fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// A text that must be given, and has to be read further.
    pub fn given<T, E: Display>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let is_there = self.has(name);
        let read = self.parsed(name, parse).flatten();
        if !is_there {
            self.fault(name, "must be given");
        }
        read
    }

    /// A text that may be left out, but cannot be taken away, and has to be read further.
    pub fn present<T, E: Display>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let read = self.parsed(name, parse)?;
        if read.is_none() {
            self.fault(name, "must be a text");
        }
        read
    }

    /// When something ends: a length from now, or a time. May be null.
    pub fn end(&mut self, name: &'static str, now: Timestamp) -> Option<Option<Timestamp>> {
        self.parsed(name, |text| {
            let from_now = Span::parse(text).map(|span| now.plus(span));
            from_now.or_else(|_| Timestamp::parse(text)).map_err(|_| "must be a length such as 30d, or a time")
        })
    }

    /// An object.
    pub fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        self.get(name, "an object", |value| match value {
            Value::Object(map) => Some(map),
            _ => None,
        })
    }

    /// Overrides of limits: `{"minute": 600, "day": null}`.
    pub fn limits(&mut self) -> OverrideChanges {
        let map = self.object("limits").unwrap_or_default();
        let mut changes = OverrideChanges::new();
        for (name, value) in map {
            match value {
                Value::Null => drop(changes.insert(name, None)),
                value => match whole(&value).and_then(|number| number.try_into().ok()) {
                    Some(number) => drop(changes.insert(name, Some(number))),
                    None => self.fault(&format!("limits.{name}"), "must be a whole number from 1 up, or null to take the override away"),
                },
            }
        }
        changes
    }

    /// Every fault; what is left is unknown, and one too.
    pub fn into_faults(mut self) -> Vec<FieldFault> {
        let unknown: Vec<String> = self.map.keys().take(MOST_FAULTS).cloned().collect();
        for name in unknown {
            let hint = hint(&name, &self.known);
            self.fault(&name, format!("there is no such field{hint}"));
        }
        for fault in &mut self.faults {
            if let Some((_, other)) = self.called.iter().find(|(name, _)| fault.field == *name) {
                fault.field = (*other).to_owned();
            }
        }
        self.faults
    }

    /// Fails where there are faults.
    pub fn finish(self) -> Result<()> {
        let faults = self.into_faults();
        if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
    }
}

/// A whole number, also where it is written as 5.0 or 5e0: JSON knows no difference.
fn whole(value: &Value) -> Option<i64> {
    let exact = |number: &f64| number.fract() == 0.0 && number.abs() <= balance::MOST as f64;
    value.as_i64().or_else(|| value.as_f64().filter(exact).map(|number| number as i64))
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
