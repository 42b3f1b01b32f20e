//! `[style]`.

use std::sync::Arc;

use super::fault::Faults;
use super::keys::required;
use super::plans::Read;
use super::reader::Table;
use super::source::Merged;
use crate::domain::nearest::hint;
use crate::domain::plan::Plans;
use crate::domain::refusal::By;
use crate::domain::verdict::Verdict;
use crate::style::{AnswerSource, HeaderSource, Style, StyleSource, Vocabulary};

pub(super) fn read(top: &Table<'_>, merged: &Merged, faults: &Faults, plans: Option<&Read>, challenge: String) -> Option<Style> {
    let table = top.table("style");
    let defaults = Table::defaults(merged, faults).table("style");
    let mut builtin =
        StyleSource { answers: answers(&defaults, "answers")?, sign_in: answers(&defaults, "sign_in")?, ..StyleSource::default() };
    let mut source = StyleSource {
        content_type: table.text("content_type").unwrap_or_default(),
        body: table.text("body").unwrap_or_default(),
        headers: headers(&table).unwrap_or_default(),
        answers: answers(&table, "answers").unwrap_or_default(),
        sign_in: answers(&table, "sign_in").unwrap_or_default(),
    };
    table.finish();
    // What nobody wrote holds as what is built in.
    source.answers = if source.answers == builtin.answers { Vec::new() } else { source.answers };
    source.sign_in = if source.sign_in == builtin.sign_in { Vec::new() } else { source.sign_in };
    // A built-in answer's own body is of a piece with the built-in body of all others.
    if table.text("body") != defaults.text("body") || table.text("content_type") != defaults.text("content_type") {
        builtin.answers.iter_mut().for_each(|answer| answer.body = None);
    }
    let vocabulary = Vocabulary {
        limits: plans.map(|read| limits(&read.plans)).unwrap_or_default(),
        is_whole: plans.is_some_and(|read| read.is_whole),
        challenge,
    };
    let compiled = Style::compile(&source, &builtin, &vocabulary);
    match compiled {
        Ok(style) => Some(style),
        Err(found) => {
            found.into_iter().for_each(|fault| table.fault_below(&fault.key, fault.message));
            None
        }
    }
}

fn limits(plans: &Plans) -> Vec<(Arc<str>, bool)> {
    let mut limits: Vec<_> =
        plans.all().iter().flat_map(|plan| plan.limits.iter().map(|limit| (limit.name.clone(), limit.is_quota()))).collect();
    limits.sort();
    limits.dedup();
    limits
}

fn answers(table: &Table<'_>, list: &'static str) -> Option<Vec<AnswerSource>> {
    let read: Vec<Option<AnswerSource>> = table.tables(list)?.into_iter().map(|answer| self::answer(answer, list == "sign_in")).collect();
    read.into_iter().collect()
}

fn answer(table: Table<'_>, is_of_sign_in: bool) -> Option<AnswerSource> {
    let verdicts = table.all_parsed("verdicts", |text| Verdict::from_name(text).ok_or_else(|| no_verdict(text)));
    if required(&table, "verdicts", verdicts.as_ref()).is_some_and(Vec::is_empty) {
        table.fault("verdicts", "must be given: it names no verdict");
    }
    let answer = AnswerSource {
        verdicts: verdicts.unwrap_or_default(),
        limits: if is_of_sign_in { None } else { table.texts("limits") },
        by: if is_of_sign_in { table.all_parsed("by", by) } else { None },
        statuses: if is_of_sign_in { statuses(&table) } else { None },
        status: table.number("status", 100..=999).map(|status| status as u16),
        code: table.text("code"),
        message: table.text("message"),
        content_type: table.text("content_type"),
        headers: headers(&table),
        body: table.text("body"),
    };
    if answer.limits.as_ref().is_some_and(Vec::is_empty) {
        table.fault("limits", "names no limit: leave it out to hold for all");
    }
    if answer.by.as_ref().is_some_and(Vec::is_empty) {
        table.fault("by", "names no way in: leave it out to hold for all");
    }
    if answer.statuses.as_ref().is_some_and(Vec::is_empty) {
        table.fault("statuses", "names no status: leave it out to hold for all");
    }
    table.finish();
    Some(answer)
}

/// The statuses that `bad_request` may have beside its own.
fn statuses(table: &Table<'_>) -> Option<Vec<u16>> {
    Some(table.numbers("statuses", 402..=499)?.into_iter().map(|status| status as u16).collect())
}

fn by(text: &str) -> Result<By, String> {
    let known = By::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, by)| by);
    let names = || By::ALL.map(|(name, _)| name);
    known.ok_or_else(|| format!("there is no way in called '{text}'{}; there are {}", hint(text, names()), names().join(", ")))
}

fn headers(table: &Table<'_>) -> Option<Vec<HeaderSource>> {
    let read: Vec<Option<HeaderSource>> = table.tables("headers")?.into_iter().map(header).collect();
    read.into_iter().collect()
}

fn header(table: Table<'_>) -> Option<HeaderSource> {
    let (name, value) = (required(&table, "name", table.text("name")), required(&table, "value", table.text("value")));
    let each_limit = table.flag("each_limit").unwrap_or(false);
    table.finish();
    Some(HeaderSource { name: name?, value: value?, each_limit })
}

fn no_verdict(text: &str) -> String {
    format!("there is no verdict '{text}'{}", hint(text, Verdict::ALL.iter().map(|verdict| verdict.name())))
}
