//! How letters read: a template each for mail as text, mail as HTML and SMS; an operator's files replace the built-in ones. All are
//! compiled at start and tried with samples, so that none fails when it is needed.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value as Shown};
use serde_json::{Map, Value};

use crate::domain::letter::Template;
use crate::domain::nearest::hint;
use crate::domain::proof::Channel;

/// What the subject of a mail stands behind, in the first line of its text.
const SUBJECT: &str = "Subject: ";

/// How long a subject may be, in characters.
const LONGEST_SUBJECT: usize = 200;

/// How long a line of a mail's text is.
const LONGEST_LINE: usize = 76;

/// What stands in samples.
const LINK: &str = "https://api.example.com/auth/verify?token=x";
const CODE: &str = "123456";

/// The page that every HTML mail stands in.
const LAYOUT: &str = "layout.html";

macro_rules! built_in {
    ($($file:literal)*) => { [$(($file, include_str!(concat!("text/", $file))),)*] };
}

/// The built-in templates, by the names of their files.
const BUILT_IN: [(&str, &str); 46] = built_in! {
    "layout.html"
    "verify.txt" "verify.html" "verify.sms"
    "known.txt" "known.html" "known.sms"
    "several.txt" "several.html"
    "change.txt" "change.html" "change.sms"
    "changed.txt" "changed.html" "changed.sms"
    "address_added.txt" "address_added.html" "address_added.sms"
    "address_removed.txt" "address_removed.html" "address_removed.sms"
    "reset.txt" "reset.html" "reset.sms"
    "password_changed.txt" "password_changed.html" "password_changed.sms"
    "second_factor_changed.txt" "second_factor_changed.html" "second_factor_changed.sms"
    "recovery_code_used.txt" "recovery_code_used.html" "recovery_code_used.sms"
    "identity_changed.txt" "identity_changed.html" "identity_changed.sms"
    "deleted.txt" "deleted.html" "deleted.sms"
    "invitation.txt" "invitation.html"
    "application.txt" "application.html"
    "test.txt" "test.html" "test.sms"
};

/// A mail, ready to be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// On one line.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// As a page, where there is one.
    pub html: Option<String>,
}

/// What is wrong with a template: its file, and where and what.
pub type LetterFault = (String, String);

/// Compiled templates, and the files of an operator among them.
#[derive(Debug)]
pub struct Letters {
    compiled: Environment<'static>,
    own: BTreeMap<String, String>,
}

/// Whether they read alike.
impl PartialEq for Letters {
    fn eq(&self, other: &Self) -> bool {
        self.own == other.own
    }
}

impl Letters {
    /// The built-in ones, and over them these files of an operator, by their names. Who replaces the text of a mail and not its
    /// HTML sends text alone.
    pub fn new(own: BTreeMap<String, String>) -> Result<Self, Vec<LetterFault>> {
        let mut faults: Vec<LetterFault> = own.keys().filter_map(|file| Some((file.clone(), unknown(file)?))).collect();
        let is_replaced = |file: &str| {
            let text = file.strip_suffix(".html").map(|name| format!("{name}.txt"));
            own.contains_key(file) || text.is_some_and(|text| own.contains_key(&text))
        };
        let built_in: Vec<_> = BUILT_IN.into_iter().filter(|(file, _)| !is_replaced(file)).collect();
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|file| if file.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
        let built_in = built_in.into_iter().map(|(file, text)| (file.to_owned(), text.to_owned()));
        for (file, text) in built_in.chain(own.clone().into_iter().filter(|(file, _)| is_known(file))) {
            if let Err(error) = environment.add_template_owned(file.clone(), text) {
                faults.push((file, told(&error)));
            }
        }
        let letters = Self { compiled: environment, own };
        if faults.is_empty() {
            faults = Template::ALL.into_iter().flat_map(|template| letters.faults_of(template)).collect();
            faults.dedup();
        }
        if faults.is_empty() { Ok(letters) } else { Err(faults) }
    }

    /// A mail. `fields` are the template's own, with `service`, `address`, and where it has one `link`.
    pub fn mail(&self, template: Template, fields: &Map<String, Value>) -> Result<Written, LetterFault> {
        let file = format!("{}.txt", template.name());
        let whole = self.render(&file, &shown(fields))?;
        let (first, text) = whole.split_once('\n').unwrap_or((&whole, ""));
        let subject = first.strip_prefix(SUBJECT).map(on_one_line).filter(|subject| !subject.is_empty());
        let subject = subject.ok_or_else(|| (file.clone(), format!("must begin with a line '{SUBJECT}…'")))?;
        if text.trim().is_empty() {
            return Err((file, "has nothing after its subject".into()));
        }
        let html = self.html(template, &subject, fields)?;
        Ok(Written { subject, text: format!("{}\n", wrapped(text.trim())), html })
    }

    /// An SMS. `fields` are the template's own, with `service`, `address`, and where it has one `code`.
    pub fn sms(&self, template: Template, fields: &Map<String, Value>) -> Result<String, LetterFault> {
        let file = format!("{}.sms", template.name());
        let text = self.render(&file, &shown(fields))?.trim().to_owned();
        if text.is_empty() { Err((file, "is empty".into())) } else { Ok(text) }
    }

    fn html(&self, template: Template, subject: &str, fields: &Map<String, Value>) -> Result<Option<String>, LetterFault> {
        let file = format!("{}.html", template.name());
        if self.compiled.get_template(&file).is_err() {
            return Ok(None);
        }
        let mut shown = shown(fields);
        for name in ["link", "dashboard"] {
            let Some(link) = fields.get(name).and_then(Value::as_str) else { continue };
            // As it is, but for what would end the attribute: the engine would also write each slash in another way.
            let link = link.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
            shown.insert(name, Shown::from_safe_string(link));
        }
        let body = Shown::from_safe_string(self.render(&file, &shown)?.trim().to_owned());
        let mut around: BTreeMap<&str, Shown> =
            ["service", "address"].into_iter().filter_map(|name| Some((name, Shown::from(fields.get(name)?.as_str()?)))).collect();
        around.extend([("subject", Shown::from(subject)), ("body", body)]);
        let layout = self.compiled.get_template(LAYOUT).and_then(|layout| layout.render(around));
        layout.map(Some).map_err(|error| (LAYOUT.into(), told(&error)))
    }

    fn render(&self, file: &str, fields: &BTreeMap<&str, Shown>) -> Result<String, LetterFault> {
        let template = self.compiled.get_template(file).map_err(|error| (file.to_owned(), told(&error)))?;
        template.render(fields).map_err(|error| {
            let names: Vec<&str> = fields.keys().copied().collect();
            (file.to_owned(), format!("{}; it may speak of {}", told(&error), names.join(", ")))
        })
    }

    /// What is wrong with one, whichever way its questions are answered.
    fn faults_of(&self, template: Template) -> Vec<LetterFault> {
        let mut faults = Vec::new();
        for fields in samples(template) {
            let with = |secret: &str, value: &str| {
                let mut fields = fields.clone();
                if template.is_secret() {
                    fields.insert(secret.into(), value.into());
                }
                fields
            };
            let name = template.name();
            match self.mail(template, &with("link", LINK)) {
                Ok(mail) => {
                    let lacks = |text: &str| template.is_secret() && !text.contains(LINK);
                    if lacks(&mail.text) {
                        faults.push((format!("{name}.txt"), "holds no {{ link }}, which is what it is sent for".into()));
                    }
                    if mail.html.as_deref().is_some_and(lacks) {
                        faults.push((format!("{name}.html"), "holds no {{ link }}, or layout.html no {{ body }}".into()));
                    }
                }
                Err(fault) => faults.push(fault),
            }
            if template.goes_by(Channel::Phone) {
                match self.sms(template, &with("code", CODE)) {
                    Ok(text) if template.is_secret() && !text.contains(CODE) => {
                        faults.push((format!("{name}.sms"), "holds no {{ code }}, which is what it is sent for".into()));
                    }
                    sound => faults.extend(sound.err()),
                }
            }
        }
        faults
    }
}

/// Samples of its fields with every yes and no, and with texts that may be empty so.
fn samples(template: Template) -> [Map<String, Value>; 2] {
    [true, false].map(|flag| {
        let mut fields = template.sample();
        for (name, value) in &mut fields {
            if !flag && name == "plan_until" {
                *value = Value::Null;
            }
            match value {
                Value::Bool(own) => *own = flag,
                Value::String(text) if !flag && ["name", "note"].contains(&name.as_str()) => text.clear(),
                _ => {}
            }
        }
        fields.insert("service".into(), "Example".into());
        fields.insert("address".into(), "ada@example.com".into());
        fields
    })
}

fn is_known(file: &str) -> bool {
    BUILT_IN.iter().any(|(known, _)| *known == file)
}

fn unknown(file: &str) -> Option<String> {
    (!is_known(file)).then(|| format!("is none of the templates{}", hint(file, BUILT_IN.map(|(known, _)| known))))
}

fn shown(fields: &Map<String, Value>) -> BTreeMap<&str, Shown> {
    fields.iter().map(|(name, value)| (name.as_str(), Shown::from_serialize(value))).collect()
}

/// Lines that are not longer than mail programs show (RFC 5322, 2.1.1); a word that is stays whole, because it is a link.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        lines.push(String::new());
        for word in line.trim_end().split(' ') {
            let last = lines.len() - 1;
            let length = lines[last].chars().count();
            if length > 0 && length + 1 + word.chars().count() > LONGEST_LINE {
                lines.push(word.to_owned());
            } else {
                let gap = if length > 0 { " " } else { "" };
                lines[last] = format!("{}{gap}{word}", lines[last]);
            }
        }
    }
    lines.join("\n")
}

/// What goes into a header: one line, not endless.
fn on_one_line(text: &str) -> String {
    let blank = |letter: char| if letter.is_control() { ' ' } else { letter };
    let line = text.chars().map(blank).collect::<String>();
    line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_SUBJECT).collect()
}

/// What is wrong, and in which line.
fn told(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(own: &[(&str, &str)]) -> Result<Letters, Vec<LetterFault>> {
        Letters::new(own.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect())
    }

    fn fields(template: Template, more: &[(&str, &str)]) -> Map<String, Value> {
        let [mut fields, _] = samples(template);
        fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        fields
    }

    #[test]
    fn the_built_in_ones_are_sound_and_whole() {
        let letters = letters(&[]).unwrap();
        for template in Template::ALL {
            let secret = [("link", "https://x/verify?token=T"), ("code", "123456")];
            let mail = letters.mail(template, &fields(template, &secret)).unwrap();
            assert!(mail.subject.contains("Example") && mail.text.trim_end().ends_with("\n\nExample"), "{mail:?}");
            let html = mail.html.unwrap();
            assert!(html.contains("<!DOCTYPE html>") && html.contains(&mail.subject), "{html}");
            assert_eq!(mail.text.contains("\n\nhttps://x/verify?token=T\n\n"), template.is_secret(), "{}", mail.text);
            assert_eq!(
                html.contains("<a href=\"https://x/verify?token=T\">") || html.contains("token&#x3d;T"),
                template.is_secret(),
                "{html}"
            );
            if template.goes_by(Channel::Phone) {
                let text = letters.sms(template, &fields(template, &secret)).unwrap();
                assert!(text.chars().count() <= 160 && !text.contains('\n'), "{} characters: {text}", text.len());
                assert_eq!(text.contains("123456"), template.is_secret());
            }
            // Two blank lines one after the other are a condition that was written badly.
            assert!(mail.text.lines().all(|line| line.len() <= 76), "{}", mail.text);
            assert!(!mail.text.contains("\n\n\n") && !mail.text.contains("{"), "{}", mail.text);
        }
    }

    #[test]
    fn nobody_breaks_out_of_html_or_a_subject() {
        let letters = letters(&[]).unwrap();
        let evil = "<script>alert(1)</script>\r\nBcc: eve@example.com";
        let fields = fields(Template::Invitation, &[("account", evil), ("inviter", evil), ("link", "https://x/?a=1&b=\"")]);
        let mail = letters.mail(Template::Invitation, &fields).unwrap();
        assert!(!mail.subject.contains(['\r', '\n']), "{:?}", mail.subject);
        let html = mail.html.unwrap();
        assert!(
            !html.contains("<script>") && html.contains("&lt;script&gt;") && html.contains("href=\"https://x/?a=1&amp;b=&quot;\""),
            "{html}"
        );
    }

    #[test]
    fn an_operators_files_replace_ours() {
        let own = letters(&[("reset.txt", "Subject: Ho {{ service }}\n\n{{ link }}\n"), ("layout.html", "<b>{{ body }}</b>{{ subject }}")])
            .unwrap();
        let reset = own.mail(Template::Reset, &fields(Template::Reset, &[("link", "L")])).unwrap();
        assert_eq!(reset, Written { subject: "Ho Example".into(), text: "L\n".into(), html: None }, "text alone");
        let known = own.mail(Template::Known, &fields(Template::Known, &[])).unwrap();
        assert!(known.html.unwrap().starts_with("<b><p>Hello,</p>"));
        let both = letters(&[("reset.txt", "Subject: Ho\n\n{{ link }}\n"), ("reset.html", "<i>{{ link }}</i>")]).unwrap();
        let reset = both.mail(Template::Reset, &fields(Template::Reset, &[("link", "L")])).unwrap();
        assert!(reset.html.unwrap().contains("<i>L</i>"));
    }

    #[test]
    fn whatever_is_wrong_is_told_at_the_start_with_its_file_and_line() {
        for (file, text, says) in [
            ("reset.txt", "Subject: x\n\n{{ lnk }}", "line 3"),
            ("reset.txt", "Subject: x\n\n{{ lnk }}", "it may speak of"),
            ("reset.txt", "Subject: x\n\n{{ link ", "line 3"),
            ("reset.txt", "Subject: x\n\n{% if %}", "line 3"),
            ("reset.txt", "Hello", "Subject: "),
            ("reset.txt", "Subject: \n\nHello", "Subject: "),
            ("reset.txt", "Subject: x\n\n", "nothing after"),
            ("reset.txt", "", "Subject: "),
            ("known.txt", "Subject: x\n\n{{ link }}", "line 3"),
            ("application.txt", "Subject: x\n\n{% if is_approved %}a{% else %}{{ nothing }}{% endif %}", "line 3"),
            ("reset.sms", "", "empty"),
            ("reset.sms", "{{ link }}", "line 1"),
            ("layout.html", "{{ bdy }}", "line 1"),
            ("rest.txt", "x", "reset.txt"),
            ("invitation.sms", "x", "none of the templates"),
            ("verify.txt", "Subject: x\n\nHello", "{{ link }}"),
            ("verify.html", "<p>Hello</p>", "{{ link }}"),
            ("verify.sms", "Hello", "{{ code }}"),
        ] {
            let faults = letters(&[(file, text)]).unwrap_err();
            assert!(faults.iter().any(|(own, fault)| own == file && fault.contains(says)), "{file} {text:?}: {faults:?}");
            assert!(faults.iter().all(|(own, _)| own == file), "{faults:?}");
        }
    }
}
