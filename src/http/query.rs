//! The parameters of a query, and how a list is asked for: every wrong one is named in one answer.

use super::request::{Call, Unreadable};
use crate::domain::error::{Error, FieldFault};
use crate::domain::id;
use crate::service::PageAsk;

/// How many characters what is searched for may have.
const LONGEST_SEARCH: usize = 200;

/// What every list knows.
pub const PAGE: [&str; 2] = ["limit", "cursor"];

/// What is said of a cursor that the list did not give.
pub const NO_CURSOR: &str = "is none that this list gave";

/// Parameters while they are read, one by one: every fault is kept.
pub struct Query {
    parameters: Vec<(String, String)>,
    faults: Vec<FieldFault>,
}

impl Query {
    /// A parameter that somebody else has read.
    pub fn leave_out(&mut self, is_read: impl Fn(&str) -> bool) {
        self.parameters.retain(|(name, _)| !is_read(name));
    }

    /// Fields of a form that were left empty are as if they were not there.
    pub fn leave_out_empty(&mut self) {
        self.parameters.retain(|(_, text)| !text.trim().is_empty());
    }

    /// What is too long to be searched for is wrong: a page shows it again.
    pub fn bound(&mut self) {
        let is_long = |(_, text): &&(String, String)| text.chars().count() > LONGEST_SEARCH;
        let long: Vec<String> = self.parameters.iter().filter(is_long).map(|(name, _)| name.clone()).collect();
        long.iter().for_each(|name| self.fault(name, format!("must have at most {LONGEST_SEARCH} characters")));
    }

    /// A text, where it is given.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.parsed(name, |text| Ok::<_, String>(text.to_owned()))
    }

    /// How a list is asked for, where it says what its cursors look like.
    pub fn page(&mut self, is_cursor: impl FnOnce(&str) -> bool) -> PageAsk {
        let limit = self.limit().unwrap_or(PageAsk::USUAL);
        let cursor = self.cursor(|cursor| (cursor.is_empty() || is_cursor(cursor)).then(|| cursor.to_owned())).unwrap_or_default();
        let search = self.parsed("search", |search| match search.chars().count() {
            ..=LONGEST_SEARCH => Ok(search.to_owned()),
            _ => Err(format!("must have at most {LONGEST_SEARCH} characters")),
        });
        PageAsk { search: search.filter(|search| !search.is_empty()), cursor, limit }
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

    /// Fails where there are faults.
    pub fn finish(self) -> Result<(), Error> {
        if self.faults.is_empty() { Ok(()) } else { Err(Error::Invalid(self.faults)) }
    }
}

impl Call {
    /// The parameters of the query; those that nobody knows, or that are given twice, are wrong.
    pub fn query(&self, known: &[&str]) -> Query {
        let mut query = Query { parameters: Vec::new(), faults: Vec::new() };
        for (name, value) in form_urlencoded::parse(self.parts.uri.query().unwrap_or_default().as_bytes()).into_owned() {
            if !known.contains(&name.as_str()) {
                query.fault(&name, format!("there is no such parameter; there are {}", known.join(", ")));
            } else if query.parameters.iter().any(|(other, _)| *other == name) {
                query.fault(&name, "is given twice");
            } else {
                query.parameters.push((name, value));
            }
        }
        query
    }

    /// How a list is asked for whose cursors are ids of a kind.
    pub fn page(&self, kind: &str, more: &[&str]) -> Result<PageAsk, Unreadable> {
        let (ask, query) = self.paged(kind, more);
        query.finish()?;
        Ok(ask)
    }

    /// The same, where what else it knows is still to be read.
    pub fn paged(&self, kind: &str, more: &[&str]) -> (PageAsk, Query) {
        let mut query = self.query(&[&PAGE, more].concat());
        (query.page(|cursor| id::is(kind, cursor)), query)
    }
}
