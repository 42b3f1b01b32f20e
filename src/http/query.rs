//! The parameters of a query, and how a list is asked for: every wrong one is named in one answer.

use super::request::{Call, Unreadable};
use crate::domain::error::{Error, FieldFault};
use crate::domain::id;
use crate::service::PageAsk;

/// How many characters what is searched for may have.
const LONGEST_SEARCH: usize = 200;

/// Parameters, by name.
pub type Parameters = Vec<(String, String)>;

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
        let (mut query, mut faults) = self.parameters(&[&["limit", "cursor"], more].concat());
        let mut take = |name: &str| query.iter().position(|(known, _)| known == name).map(|at| query.swap_remove(at).1);
        let (limit, cursor, search) = (take("limit"), take("cursor").unwrap_or_default(), take("search"));
        let mut fault = |field: &str, message: String| faults.push(FieldFault { field: field.into(), message });
        let limit = limit.map_or(Some(PageAsk::USUAL), |text| text.parse().ok().filter(|limit| (1..=PageAsk::MOST).contains(limit)));
        if limit.is_none() {
            fault("limit", format!("must be a whole number from 1 to {}", PageAsk::MOST));
        }
        if !cursor.is_empty() && !is_cursor(&cursor) {
            fault("cursor", "is none that this list gave".into());
        }
        let search = search.filter(|search| !search.is_empty());
        if search.as_ref().is_some_and(|search| search.chars().count() > LONGEST_SEARCH) {
            fault("search", format!("must have at most {LONGEST_SEARCH} characters"));
        }
        faults.extend(check(&query));
        match limit {
            Some(limit) if faults.is_empty() => Ok((PageAsk { search, cursor, limit }, query)),
            _ => Err(Error::Invalid(faults).into()),
        }
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
