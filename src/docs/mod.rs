//! The authentication page of an API, written from its configuration: what it says is what the gate does. Pure: a policy becomes
//! Markdown, and that HTML. Where a policy has no such thing, the page says nothing of it.

mod errors;
mod examples;
mod getting;
mod headers;
pub mod html;
mod key;
mod markdown;
mod own;
mod plans;
pub mod reference;
mod routes;
mod safety;
mod sample;
mod sending;
mod sign_in;
pub mod style;
mod windows;
mod words;

pub use html::{Assets, Place};
use markdown::{Markdown, plain};
use words::{ENGLISH, Words, fill};

use crate::config::Policy;
use crate::config::docs::Chapter;
use crate::domain::limit::Limit;

/// Where an API is that says nowhere where.
const NOWHERE: &str = "https://api.example.com";

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its heading.
    pub title: String,
    /// What comes before the sections: Markdown.
    pub lead: String,
    /// The sections.
    pub sections: Vec<Section>,
}

/// A section.
#[derive(Clone, Debug)]
pub struct Section {
    /// What addresses call it.
    pub id: String,
    /// Its heading, as it is read.
    pub title: String,
    /// Markdown.
    pub text: String,
}

/// What sections are written with.
struct Context<'p> {
    policy: &'p Policy,
    words: &'static Words,
}

impl<'p> Context<'p> {
    /// A path of tollgate's own.
    fn own(&self, path: &str) -> String {
        format!("{}{path}", self.policy.server.prefix)
    }

    /// A path of sign-in.
    fn of_sign_in(&self, path: &str) -> String {
        format!("{}{path}", self.policy.sign_in.base_path)
    }

    /// `GET` and a path of tollgate's own, as code.
    fn get(&self, path: &str) -> String {
        markdown::code(&format!("GET {}", self.own(path)))
    }

    /// Where the examples point to.
    fn base(&self) -> &'p str {
        let policy = self.policy;
        let urls = [&policy.docs.base_url, &policy.server.public_url];
        urls.into_iter().find(|url| !url.is_empty()).map_or(NOWHERE, String::as_str)
    }

    /// Where a page of this server is, for people: whole where the configuration says where that is.
    fn page(&self, path: &str) -> String {
        markdown::target(&format!("{}{}", self.policy.server.public_url, self.own(path)))
    }

    /// The plans whose keys may call, where not all may.
    fn api_plans(&self) -> Option<Vec<String>> {
        let all = self.policy.plans.all();
        all.iter().any(|plan| !plan.api).then(|| all.iter().filter(|plan| plan.api).map(|plan| plain(&plan.title)).collect())
    }
}

/// The authentication page of a configuration.
pub fn page(policy: &Policy) -> Page {
    let context = Context { policy, words: &ENGLISH };
    let mut sections = Vec::new();
    for chapter in Chapter::ALL {
        let own = own_sections(&context, Some(chapter));
        sections.extend(own);
        let (title, text) = written(&context, chapter);
        if !text.is_empty() {
            sections.push(Section { id: chapter.name().into(), title: title.into(), text: text.into_text() });
        }
    }
    sections.extend(own_sections(&context, None));
    apart(&mut sections);
    Page { title: title(&context), lead: lead(&context), sections }
}

/// A first call with a raw key, for a shell: the page's own example in curl. None where no request can carry a key.
pub fn first_call(policy: &Policy, raw_key: &str) -> Option<String> {
    examples::first_call(&Context { policy, words: &ENGLISH }, raw_key)
}

/// `1,000 a day`, as the page tells a limit.
pub fn spoken_limit(limit: &Limit) -> String {
    windows::amount(&ENGLISH, limit)
}

/// `1,000`.
pub fn spoken_number(number: u64) -> String {
    ENGLISH.number(number)
}

fn written(context: &Context<'_>, chapter: Chapter) -> (&'static str, Markdown) {
    let words = context.words;
    match chapter {
        Chapter::Key => (words.key, key::write(context)),
        Chapter::Getting => (words.getting, getting::write(context)),
        Chapter::Sending => (words.sending, sending::write(context)),
        Chapter::Examples => (words.examples, examples::write(context)),
        Chapter::Plans => (words.plans, plans::write(context)),
        Chapter::Headers => (words.headers, headers::write(context)),
        Chapter::Errors => (words.errors, errors::write(context)),
        Chapter::SignIn => (words.sign_in, sign_in::write(context)),
        Chapter::Safety => (words.safety, safety::write(context)),
    }
}

fn own_sections(context: &Context<'_>, before: Option<Chapter>) -> Vec<Section> {
    let all = context.policy.docs.sections.iter().filter(|section| section.before == before);
    all.map(|section| Section { id: html::slug(&section.title), title: section.title.clone(), text: own::within_section(&section.text) })
        .collect()
}

/// Gives sections that are called alike ids that differ.
fn apart(sections: &mut [Section]) {
    for at in 0..sections.len() {
        // The page's own keep theirs: links lead to them.
        let id = sections[at].id.clone();
        let is_own = |section: &Section| Chapter::ALL.iter().any(|chapter| chapter.name() == section.id);
        let clashes = sections[..at].iter().any(|other| other.id == id);
        if clashes {
            let other = sections[..at].iter().position(|other| other.id == id).unwrap_or(at);
            let renamed = if is_own(&sections[at]) { other } else { at };
            sections[renamed].id = format!("{id}-{}", renamed + 1);
        }
    }
}

fn title(context: &Context<'_>) -> String {
    match (context.policy.docs.title.as_str(), context.policy.service_name()) {
        ("", None) => context.words.title_unnamed.into(),
        ("", Some(name)) => fill(context.words.title, &[("name", &name)]),
        (title, _) => title.into(),
    }
}

/// The operator's own words, and what matters most.
fn lead(context: &Context<'_>) -> String {
    let (policy, words) = (context.policy, context.words);
    let mut text = Markdown::default();
    let open: Vec<String> = policy.routes.all().iter().filter(|route| route.open).map(|route| routes::path(route)).collect();
    let needed = match &policy.anonymous {
        Some(anonymous) => fill(words.lead_anyone, &[("plan", &plain(&anonymous.plan.title))]),
        None if open.is_empty() => words.lead.into(),
        None => fill(words.lead_but, &[("paths", &words.all_of(&open))]),
    };
    let carried = policy.keys.carriers.first().map(|carrier| fill(words.lead_carried, &[("carrier", &sending::carrier(words, carrier))]));
    text.paragraph(&[needed, carried.unwrap_or_default()]);
    let intro = own::within_section(&policy.docs.intro).replace("### ", "## ");
    if intro.is_empty() { text.into_text() } else { format!("{intro}\n\n{}", text.into_text()) }
}

impl Page {
    /// The whole page as Markdown.
    pub fn markdown(&self) -> String {
        let lead = [format!("# {}", plain(&self.title)), self.lead.clone()];
        let sections = self.sections.iter().map(|section| format!("## {}\n\n{}", plain(&section.title), section.text));
        let mut text = lead.into_iter().chain(sections).collect::<Vec<_>>().join("\n\n");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests;
