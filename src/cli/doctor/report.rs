//! What the doctor found, and how it is told: a short list for people, one JSON document for programs.

use std::io::IsTerminal;

use serde_json::{Value, json};

use crate::cli::output::{Output, clean};
use crate::config::Policy;

/// How a check ended. The worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Works, and should be mended.
    Warning,
    /// Could not be tried: nobody knows.
    NotProven,
    /// Must be mended.
    Failed,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::NotProven => "not proven",
            Self::Failed => "failed",
        }
    }

    /// Its sign, and the colour of it.
    fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Ok => ("✓", "32"),
            Self::Warning => ("!", "33"),
            Self::NotProven => ("?", "33"),
            Self::Failed => ("✗", "31"),
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Check {
    name: &'static str,
    outcome: Outcome,
    detail: String,
    fix: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, detail: detail.into(), fix: None }
    }

    /// Works, and should be mended.
    pub fn warning(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Warning, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// Must be mended.
    pub fn failed(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Failed, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// Could not be tried.
    pub fn not_proven(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::NotProven, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// The same by another name.
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Whether it could not be tried.
    pub fn is_not_proven(&self) -> bool {
        self.outcome == Outcome::NotProven
    }

    /// Whether it is the check of that name.
    pub fn is_of(&self, name: &str) -> bool {
        self.name == name
    }

    fn json(&self) -> Value {
        json!({ "name": self.name, "outcome": self.outcome.name(), "detail": self.detail, "fix": self.fix })
    }
}

/// What is wrong with one thing, piece by piece.
#[derive(Debug, Default)]
pub struct Findings(Vec<(Outcome, String, String)>);

impl Findings {
    /// Must be mended.
    pub fn failed(&mut self, detail: impl Into<String>, fix: impl Into<String>) {
        self.0.push((Outcome::Failed, detail.into(), fix.into()));
    }

    /// Should be mended.
    pub fn warning(&mut self, detail: impl Into<String>, fix: impl Into<String>) {
        self.0.push((Outcome::Warning, detail.into(), fix.into()));
    }

    /// What another check found that must or should be mended.
    pub fn take(&mut self, check: Check) {
        if matches!(check.outcome, Outcome::Warning | Outcome::Failed) {
            self.0.push((check.outcome, check.detail, check.fix.unwrap_or_default()));
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it as one check; as it should be where nothing was found.
    pub fn check(self, name: &'static str, well: impl Into<String>) -> Check {
        let Some(outcome) = self.0.iter().map(|(outcome, ..)| *outcome).max() else { return Check::ok(name, well) };
        let details: Vec<&str> = self.0.iter().map(|(_, detail, _)| detail.as_str()).collect();
        let mut lines: Vec<&str> = Vec::new();
        for line in self.0.iter().flat_map(|(.., fix)| fix.lines()) {
            // One line may mend several things; the last time is the one that is read last.
            lines.retain(|known| *known != line);
            lines.push(line);
        }
        Check { name, outcome, detail: details.join("; "), fix: Some(lines.join("\n")) }
    }
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub struct Report {
    checks: Vec<Check>,
    /// Which server was looked at: `running` or `booted`.
    pub server: Option<&'static str>,
}

impl Report {
    /// Adds a check.
    pub fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Adds what must be read before all else.
    pub fn add_first(&mut self, check: Check) {
        self.checks.insert(0, check);
    }

    /// Whether nothing failed and nothing was left unproven.
    pub fn is_fit(&self) -> bool {
        self.checks.iter().all(|check| matches!(check.outcome, Outcome::Ok | Outcome::Warning))
    }

    /// Prints it.
    pub fn tell(mut self, policy: &Policy, output: &Output) {
        for check in &mut self.checks {
            let texts = [Some(&mut check.detail), check.fix.as_mut()];
            // What others answered is quoted here and there, and somebody may have written a key into it.
            texts.into_iter().flatten().filter(|text| policy.holds_secret(text)).for_each(|text| *text = "…".into());
        }
        let checks: Vec<Value> = self.checks.iter().map(Check::json).collect();
        let document = json!({ "fit": self.is_fit(), "server": self.server, "checks": checks });
        output.result(&document, || self.for_people(std::io::stdout().is_terminal()));
    }

    fn for_people(&self, in_colour: bool) -> String {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        let mut lines = Vec::new();
        let mut told = None;
        for check in &self.checks {
            let (sign, colour) = check.outcome.sign();
            let sign = if in_colour { format!("\u{1b}[{colour}m{sign}\u{1b}[0m") } else { sign.to_owned() };
            lines.push(format!("{sign} {:width$}  {}", check.name.replace('_', " "), one_line(&check.detail)));
            // What mends several is told once.
            for line in check.fix.iter().filter(|fix| told != Some(*fix)).flat_map(|fix| fix.lines()) {
                lines.push(format!("  {:width$}  → {}", "", one_line(line)));
            }
            told = check.fix.as_ref();
        }
        lines.push(String::new());
        lines.push(self.sum());
        lines.join("\n")
    }

    fn sum(&self) -> String {
        let count = |outcome: Outcome| self.checks.iter().filter(|check| check.outcome == outcome).count();
        let told = [Outcome::Failed, Outcome::NotProven, Outcome::Warning].map(|outcome| (count(outcome), outcome));
        let told: Vec<String> = told
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, outcome)| match (outcome, count) {
                (Outcome::Warning, 1) => "1 warning".into(),
                (Outcome::Warning, count) => format!("{count} warnings"),
                (outcome, count) => format!("{count} {}", outcome.name()),
            })
            .collect();
        let fit = if self.is_fit() { "Fit" } else { "Not fit" };
        if told.is_empty() { format!("{fit}.") } else { format!("{fit}: {}.", told.join(", ")) }
    }
}

/// A text without breaks and without what a terminal would act on.
fn one_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}
