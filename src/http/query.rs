//! The parameters of a query, and how a list is asked for: every wrong one is named in one answer.

use super::request::{Call, Unreadable};
use crate::domain::error::{Error, FieldFault};
use crate::domain::id;
use crate::service::PageAsk;

/// How many characters what is searched for may have.
const LONGEST_SEARCH: usize = 200;

/// What is said of a cursor that the list did not give.
pub const NO_CURSOR: &str = "is none that this list gave";

/// Parameters, by name.
pub type Parameters = Vec<(String, String)>;

/// Parameters while they are read, one by one: every fault is kept.
pub struct Query {
    parameters: Parameters,
    faults: Vec<FieldFault>,
}

impl Query {
    /// Of these.
    pub fn new(parameters: Parameters) -> Self {
        Self { parameters, faults: Vec::new() }
    }

    /// A parameter, where it is given and sound.
    pub fn parsed<T, E: Into<String>>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let at = self.parameters.iter().position(|(known, _)| known == name)?;
        let (_, text) = self.parameters.swap_remove(at);
        parse(&text).map_err(|message| self.fault(name, message)).ok()
    }

    /// `limit`.
    pub fn limit(&mut self) -> Option<usize> {
        self.parsed("limit", |text| {
            let number = text.parse().ok().filter(|limit| (1..=PageAsk::MOST).contains(limit));
            number.ok_or_else(|| format!("must be a whole number from 1 to {}", PageAsk::MOST))
        })
    }

    /// `cursor`, where the list says how its own are read.
    pub fn cursor<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.parsed("cursor", |text| parse(text).ok_or(NO_CURSOR))
    }

    /// Names one as wrong; what was named before stays as it was told.
    pub fn fault(&mut self, field: &str, message: impl Into<String>) {
        if self.faults.iter().all(|fault| fault.field != field) {
            self.faults.push(FieldFault { field: field.into(), message: message.into() });
        }
    }

    /// What nobody has read; or every fault.
    pub fn finish(self) -> Result<Parameters, Error> {
        if self.faults.is_empty() { Ok(self.parameters) } else { Err(Error::Invalid(self.faults)) }
    }
}

impl Call {
    /// The parameters of the query; those that nobody knows, or that are given twice, are refused.
    pub fn query(&self, known: &[&str]) -> Result<Parameters, Unreadable> {
        let (query, faults) = self.parameters(known);
        if faults.is_empty() { Ok(query) } else { Err(Error::Invalid(faults).into()) }
    }

    /// How a list is asked for: `limit`, `cursor`, and whatever else the list knows.
    pub fn page(&self, kind: &str, more: &[&str]) -> Result<(PageAsk, Parameters), Unreadable> {
        self.page_with(|cursor| id::is(kind, cursor), more, |_| Vec::new())
    }

    /// The same, where the list says what its cursors look like, and what is wrong with what else it knows.
    pub fn page_with(
        &self,
        is_cursor: impl FnOnce(&str) -> bool,
        more: &[&str],
        check: impl FnOnce(&Parameters) -> Vec<FieldFault>,
    ) -> Result<(PageAsk, Parameters), Unreadable> {
        let (parameters, faults) = self.parameters(&[&["limit", "cursor"], more].concat());
        let mut query = Query { parameters, faults };
        let limit = query.limit().unwrap_or(PageAsk::USUAL);
        let cursor = query.cursor(|cursor| (cursor.is_empty() || is_cursor(cursor)).then(|| cursor.to_owned())).unwrap_or_default();
        let search = query.parsed("search", |search| match search.chars().count() {
            ..=LONGEST_SEARCH => Ok(search.to_owned()),
            _ => Err(format!("must have at most {LONGEST_SEARCH} characters")),
        });
        let search = search.filter(|search| !search.is_empty());
        let wrong = check(&query.parameters);
        query.faults.extend(wrong);
        Ok((PageAsk { search, cursor, limit }, query.finish()?))
    }

    /// The parameters that are known, and what is wrong with the query so far.
    fn parameters(&self, known: &[&str]) -> (Parameters, Vec<FieldFault>) {
        let (mut seen, mut faults) = (Parameters::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(self.parts.uri.query().unwrap_or_default().as_bytes()).into_owned() {
            let message = if !known.contains(&name.as_str()) {
                format!("there is no such parameter; there are {}", known.join(", "))
            } else if seen.iter().any(|(other, _)| *other == name) {
                "is given twice".into()
            } else {
                seen.push((name, value));
                continue;
            };
            faults.push(FieldFault { field: name, message });
        }
        (seen, faults)
    }
}
