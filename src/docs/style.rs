//! The stylesheet: one file, light and dark, with the operator's colour where it can be read.

use crate::config::brand::BrandSettings;
use crate::domain::colour::Colour;

const SHEET: &str = include_str!("templates/docs.css");

/// Links where the operator names no colour.
const ACCENT: Colour = Colour::new(0x1a, 0x56, 0xdb);

/// What text stands on, as the sheet has it: the page, and code on it.
const LIGHT: [Colour; 2] = [Colour::WHITE, Colour::new(0xf5, 0xf6, 0xf8)];
const DARK: [Colour; 2] = [Colour::new(0x15, 0x18, 0x1c), Colour::new(0x1e, 0x22, 0x28)];

/// The sheet of a configuration.
pub fn sheet(brand: &BrandSettings) -> String {
    let colour = brand.colour.unwrap_or(ACCENT);
    let (light, dark) = (colour.readable_on(&LIGHT, Colour::BLACK), colour.readable_on(&DARK, Colour::WHITE));
    format!(":root{{--accent:{light}}}\n@media(prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}\n{SHEET}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::colour::READABLE;

    /// The colours that a part of the sheet names.
    fn named(part: &str) -> Vec<(String, Colour)> {
        let all = part.split([';', '{', '}']).filter_map(|rule| rule.trim().strip_prefix("--")?.split_once(':'));
        all.map(|(name, value)| (name.to_owned(), Colour::parse(value).expect("a colour"))).collect()
    }

    #[test]
    fn everything_can_be_read_in_light_and_dark() {
        for brand in ["#1a56db", "#ff0000", "#ffe600", "#00ff88", "#000", "#fff", "#777"] {
            let brand = BrandSettings { colour: Some(Colour::parse(brand).unwrap()), ..BrandSettings::default() };
            let sheet = sheet(&brand);
            let (accents, rest) = sheet.split_once(":root{color-scheme").expect("the sheet follows");
            let (accent_light, accent_dark) = accents.split_once("@media").unwrap();
            let (light, dark) = rest.split_once("@media(prefers-color-scheme:dark)").unwrap();
            for (grounds, accent, part) in [(LIGHT, accent_light, light), (DARK, accent_dark, dark)] {
                let colours = named(&format!("{part};{accent}"));
                let of = |wanted: &str| colours.iter().find(|(name, _)| name == wanted).unwrap_or_else(|| panic!("{wanted} in {part}")).1;
                assert_eq!([of("ground"), of("raised")], grounds, "the grounds are those that the accent is measured on");
                for text in ["ink", "quiet", "accent"] {
                    for ground in grounds {
                        assert!(of(text).contrast(ground) >= READABLE, "{text} {} on {ground}", of(text));
                    }
                }
            }
        }
    }
}
