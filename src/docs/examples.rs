//! Examples in curl, JavaScript and Python that work when pasted: the key comes from a variable, a 429 is waited for.

use serde_json::Value;

use super::markdown::Markdown;
use super::{Context, errors, sample};
use crate::domain::carrier::Carrier;

/// The variable that says where the API is, where that is elsewhere.
const URL: &str = "API_URL";

/// The section.
pub fn write(context: &Context<'_>) -> Markdown {
    let words = context.words;
    let mut text = Markdown::default();
    let Some(carrier) = context.policy.keys.carriers.first() else { return text };
    let asked = Asked::of(context, carrier);
    text.paragraph(&[words.examples_before.into()]);
    text.code("sh", &asked.export(&sample::raw_key(context.policy)));
    text.paragraph(&[words.examples_wait.into()]);
    text.heading("curl");
    text.code("sh", &curl(&asked));
    text.heading("JavaScript");
    text.paragraph(&[words.examples_javascript.into()]);
    text.code("js", &javascript(&asked));
    text.heading("Python");
    text.paragraph(&[words.examples_python.into()]);
    text.code("python", &python(&asked));
    text
}

/// The first of them, with a key of somebody's own.
pub fn first_call(context: &Context<'_>, raw_key: &str) -> Option<String> {
    let asked = Asked::of(context, context.policy.keys.carriers.first()?);
    Some(format!("{}\n{}", asked.export(raw_key), curl(&asked)))
}

/// What the examples ask for.
struct Asked<'p> {
    base: &'p str,
    method: &'p str,
    path: String,
    body: Option<&'p Value>,
    variable: &'p str,
    carrier: &'p Carrier,
    /// Whether `Retry-After` comes as a number of seconds.
    says_when: bool,
}

impl<'p> Asked<'p> {
    fn of(context: &Context<'p>, carrier: &'p Carrier) -> Self {
        let docs = &context.policy.docs;
        Self {
            base: context.base(),
            method: docs.example.method.as_str(),
            path: docs.example.path.clone().unwrap_or_else(|| context.own("/v1/me")),
            body: docs.example.body.as_ref(),
            variable: &docs.variable,
            carrier,
            says_when: errors::retry_after(context).is_none_or(|value| value.parse::<u64>().is_ok()),
        }
    }

    /// What puts a key into the variable.
    fn export(&self, raw_key: &str) -> String {
        format!("export {}='{raw_key}'", self.variable)
    }

    /// The path, and the key with it where that is carried in the query.
    fn path_with(&self, key: &str) -> String {
        let between = if self.path.contains('?') { '&' } else { '?' };
        match self.carrier {
            Carrier::Query(name) => format!("{}{between}{name}={key}", self.path),
            _ => self.path.clone(),
        }
    }
}

/// The header that carries a key; none where it goes in the query. Of Basic the encoded pair stands for itself.
pub fn credential_header(carrier: &Carrier, key: &str) -> Option<(String, String)> {
    let authorization = |value: String| Some(("Authorization".to_owned(), value));
    match carrier {
        Carrier::Bearer => authorization(format!("Bearer {key}")),
        Carrier::Scheme(name) => authorization(format!("{name} {key}")),
        Carrier::BasicUser => authorization(format!("Basic base64({key}:)")),
        Carrier::BasicPassword => authorization(format!("Basic base64(:{key})")),
        Carrier::Header(name) => Some((name.as_str().to_owned(), key.to_owned())),
        Carrier::Query(_) => None,
    }
}

/// Both halves of Basic credentials, around the key.
fn halves(carrier: &Carrier) -> Option<(&'static str, &'static str)> {
    match carrier {
        Carrier::BasicUser => Some(("", ":")),
        Carrier::BasicPassword => Some((":", "")),
        _ => None,
    }
}

fn curl(asked: &Asked<'_>) -> String {
    let key = format!("${}", asked.variable);
    let mut lines = vec![format!("curl -i --retry 5 --retry-max-time 60 \"${{{URL}:-{}}}{}\"", asked.base, asked.path_with(&key))];
    if let Some((before, after)) = halves(asked.carrier) {
        // Or the shell would take the colon for a part of its expansion.
        lines.push(format!("-u \"{before}${{{}}}{after}\"", asked.variable));
    } else if let Some((name, value)) = credential_header(asked.carrier, &key) {
        lines.push(format!("-H \"{name}: {value}\""));
    }
    match asked.body {
        Some(body) => {
            lines.push("-H \"Content-Type: application/json\"".into());
            lines.push(format!("-d '{}'", body.to_string().replace('\'', "'\\''")));
            if asked.method != "POST" {
                lines.push(format!("-X {}", asked.method));
            }
        }
        None if asked.method != "GET" => lines.push(format!("-X {}", asked.method)),
        None => {}
    }
    lines.join(" \\\n  ")
}

fn javascript(asked: &Asked<'_>) -> String {
    let key = format!("process.env.{}", asked.variable);
    let credential = match (halves(asked.carrier), credential_header(asked.carrier, &format!("${{{key}}}"))) {
        (Some((before, after)), _) => format!("Authorization: `Basic ${{btoa(`{before}${{{key}}}{after}`)}}`"),
        (None, Some((name, value))) if value == format!("${{{key}}}") => format!("\"{name}\": {key}"),
        (None, Some((name, value))) => format!("{name}: `{value}`"),
        (None, None) => String::new(),
    };
    let json = if asked.body.is_some() { "\"Content-Type\": \"application/json\"" } else { "" };
    let headers: Vec<&str> = [credential.as_str(), json].into_iter().filter(|part| !part.is_empty()).collect();
    let method = if asked.method == "GET" { String::new() } else { format!("    method: \"{}\",\n", asked.method) };
    let body = asked.body.map(|body| format!("    body: JSON.stringify({}),\n", indented(body, 4))).unwrap_or_default();
    let headers = if headers.is_empty() { String::new() } else { format!("    headers: {{ {} }},\n", headers.join(", ")) };
    let wait = if asked.says_when { "Number(response.headers.get(\"retry-after\") ?? 1)" } else { "1" };
    let path = asked.path_with(&format!("${{{key}}}"));
    format!(
        "const base = process.env.{URL} ?? \"{}\";

async function call(tries = 5) {{
  const response = await fetch(`${{base}}{path}`, {{
{method}{headers}{body}  }});
  const wait = {wait};
  if (response.status !== 429 || tries === 0 || wait > 60) return response;
  await new Promise((resume) => setTimeout(resume, wait * 1000));
  return call(tries - 1);
}}

call().then(async (response) => console.log(response.status, await response.text()));",
        asked.base
    )
}

fn python(asked: &Asked<'_>) -> String {
    let key = format!("os.environ[\"{}\"]", asked.variable);
    let credential = match (halves(asked.carrier), credential_header(asked.carrier, &format!("{{{key}}}"))) {
        (Some((before, after)), _) => {
            format!("\"Authorization\": \"Basic \" + base64.b64encode((\"{before}\" + {key} + \"{after}\").encode()).decode()")
        }
        (None, Some((name, value))) if value == format!("{{{key}}}") => format!("\"{name}\": {key}"),
        (None, Some((name, value))) => format!("\"{name}\": \"{}\" + {key}", value.trim_end_matches(&format!("{{{key}}}"))),
        (None, None) => String::new(),
    };
    let is_basic = halves(asked.carrier).is_some();
    let imports: Vec<&str> = [("base64", is_basic), ("json", asked.body.is_some()), ("os", true), ("time", true)]
        .into_iter()
        .filter_map(|(name, is_needed)| is_needed.then_some(name))
        .collect();
    let json = if asked.body.is_some() { "\"Content-Type\": \"application/json\"" } else { "" };
    let headers: Vec<&str> = [credential.as_str(), json].into_iter().filter(|part| !part.is_empty()).collect();
    let data = asked.body.map(|body| format!("        data=json.dumps({}).encode(),\n", literal(body, 8))).unwrap_or_default();
    let headers = if headers.is_empty() { String::new() } else { format!("        headers={{{}}},\n", headers.join(", ")) };
    let address = match asked.carrier {
        Carrier::Query(_) => format!("base + \"{}\" + {key}", asked.path_with("")),
        _ => format!("base + \"{}\"", asked.path),
    };
    let wait = if asked.says_when { "int(error.headers.get(\"Retry-After\", 1))" } else { "1" };
    format!(
        "import {}
import urllib.error
import urllib.request

base = os.environ.get(\"{URL}\", \"{}\")


def call(tries=5):
    request = urllib.request.Request(
        {address},
        method=\"{}\",
{headers}{data}    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        wait = {wait} if error.code == 429 else 0
        if error.code != 429 or tries == 0 or wait > 60:
            return error.code, error.read().decode()
    time.sleep(wait)
    return call(tries - 1)


print(*call())",
        imports.join("\nimport "),
        asked.base,
        asked.method
    )
}

/// JSON over several lines, its later lines as deep as its first.
fn indented(value: &Value, depth: usize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.replace('\n', &format!("\n{}", " ".repeat(depth)))
}

/// JSON as Python writes it.
fn literal(value: &Value, depth: usize) -> String {
    let inner = " ".repeat(depth + 4);
    let outer = " ".repeat(depth);
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Array(items) if !items.is_empty() => {
            let items: Vec<_> = items.iter().map(|item| format!("{inner}{}", literal(item, depth + 4))).collect();
            format!("[\n{},\n{outer}]", items.join(",\n"))
        }
        Value::Object(fields) if !fields.is_empty() => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{inner}{}: {}", Value::from(name.as_str()), literal(value, depth + 4)))
                .collect();
            format!("{{\n{},\n{outer}}}", fields.join(",\n"))
        }
        other => other.to_string(),
    }
}
