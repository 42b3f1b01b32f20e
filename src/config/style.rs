//! `[style]`.

use std::sync::Arc;

use super::fault::Faults;
use super::keys::required;
use super::plans::Read;
use super::reader::Table;
use super::source::Merged;
use crate::domain::nearest::hint;
use crate::domain::plan::Plans;
use crate::domain::verdict::Verdict;
use crate::style::{AnswerSource, HeaderSource, Style, StyleSource, Vocabulary};

pub(super) fn read(top: &Table<'_>, merged: &Merged, faults: &Faults, plans: Option<&Read>, challenge: String) -> Option<Style> {
    let table = top.table("style");
    let defaults = Table::defaults(merged, faults).table("style");
    let mut builtin = answers(&defaults)?;
    let mut source = StyleSource {
        content_type: table.text("content_type").unwrap_or_default(),
        body: table.text("body").unwrap_or_default(),
        headers: headers(&table).unwrap_or_default(),
        answers: answers(&table).unwrap_or_default(),
    };
    table.finish();
    // A built-in answer's own body is of a piece with the built-in body of all others.
    if table.text("body") != defaults.text("body") || table.text("content_type") != defaults.text("content_type") {
        let are_builtin = source.answers == builtin;
        let answers = builtin.iter_mut().chain(source.answers.iter_mut().filter(|_| are_builtin));
        answers.for_each(|answer| answer.body = None);
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

fn answers(table: &Table<'_>) -> Option<Vec<AnswerSource>> {
    let read: Vec<Option<AnswerSource>> = table.tables("answers")?.into_iter().map(answer).collect();
    read.into_iter().collect()
}

fn answer(table: Table<'_>) -> Option<AnswerSource> {
    let verdicts = table.all_parsed("verdicts", |text| Verdict::from_name(text).ok_or_else(|| no_verdict(text)));
    if required(&table, "verdicts", verdicts.as_ref()).is_some_and(Vec::is_empty) {
        table.fault("verdicts", "must be given: it names no verdict");
    }
    let answer = AnswerSource {
        verdicts: verdicts.unwrap_or_default(),
        limits: table.texts("limits"),
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
    table.finish();
    Some(answer)
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
