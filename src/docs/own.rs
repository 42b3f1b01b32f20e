//! The operator's own text: Markdown that stays within its section.

/// How deep a heading may be.
const DEEPEST: usize = 6;

/// The text with its headings below the section's, and its last fence closed.
pub fn within_section(text: &str) -> String {
    let mut lines = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.trim().lines() {
        let begin = fence_of(line);
        match (fence, begin) {
            (None, Some(begin)) => fence = Some(begin),
            (Some(open), Some(begin)) if begin.starts_with(open) && line.trim() == begin => fence = None,
            _ => {}
        }
        let is_heading = fence.is_none() && begin.is_none() && line.starts_with('#');
        lines.push(if is_heading { deeper(line) } else { line.to_owned() });
    }
    lines.extend(fence.map(str::to_owned));
    lines.join("\n")
}

/// The fence that a line begins or ends code with.
fn fence_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let letter = line.chars().next().filter(|letter| "`~".contains(*letter))?;
    let length = line.chars().take_while(|other| *other == letter).count();
    (length >= 3).then(|| &line[..length])
}

/// A heading two levels down: the page's is the first, the section's the second.
fn deeper(line: &str) -> String {
    let level = line.chars().take_while(|letter| *letter == '#').count();
    let rest = &line[level..];
    if level > DEEPEST || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return line.to_owned();
    }
    format!("{}{rest}", "#".repeat((level + 2).min(DEEPEST)))
}

#[cfg(test)]
mod tests {
    use super::within_section;

    #[test]
    fn headings_go_below_the_sections_and_fences_end() {
        for (text, told) in [
            ("# A\n\ntext\n## B", "### A\n\ntext\n#### B"),
            ("##### E\n###### F\n####### no", "###### E\n###### F\n####### no"),
            ("#hash", "#hash"),
            ("```sh\n# a comment\n```\n# A", "```sh\n# a comment\n```\n### A"),
            ("~~~\n# x\n```\n# y", "~~~\n# x\n```\n# y\n~~~"),
            ("````\n```\n# z", "````\n```\n# z\n````"),
        ] {
            assert_eq!(within_section(text), told, "{text}");
        }
    }
}
