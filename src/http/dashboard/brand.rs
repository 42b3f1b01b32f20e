//! How the pages look that people see, as `[brand]` has it: a small style sheet with the colour, the picture beside the name, and an icon.
//! Worked out once a configuration.

use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::show::kept;
use crate::config::Policy;
use crate::config::brand::Logo;
use crate::domain::colour::Colour;
use crate::domain::key::KeyHash;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::mails::service_name;

/// What text stands on, as the dashboard's style sheet has it: cards, and the page.
const LIGHT: [Colour; 2] = [Colour::WHITE, Colour::new(0xf6, 0xf7, 0xf9)];
const DARK: [Colour; 2] = [Colour::new(0x16, 0x19, 0x1d), Colour::new(0x0e, 0x10, 0x13)];

/// Of the icon, where the operator names no colour.
const USUAL: Colour = Colour::new(0x1a, 0x56, 0xdb);

/// A picture that is opened by itself runs nothing, and loads nothing.
pub const OF_PICTURE: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// What belongs to the pages of a configuration.
#[derive(Debug)]
pub struct Brand {
    /// Over the dashboard's own; none: no colour is named.
    pub sheet: Option<String>,
    /// Beside the name.
    pub logo: Option<Logo>,
    icon: String,
    /// Tells what browsers keep from what they kept before.
    pub version: String,
}

impl Brand {
    /// Of a configuration.
    pub fn of(policy: &Policy) -> Self {
        let (sheet, logo) = (policy.brand.colour.map(sheet), policy.brand.logo.clone());
        let icon = icon(&service_name(policy), policy.brand.colour.unwrap_or(USUAL));
        let picture: String = logo.iter().flat_map(|logo| logo.bytes.iter()).map(|byte| format!("{byte:02x}")).collect();
        let version = KeyHash::of(&format!("{sheet:?}{icon}{picture}")).hex()[..12].to_owned();
        Self { sheet, logo, icon, version }
    }
}

/// Links in a shade that can be read, buttons in the colour itself with black or white on it.
fn sheet(colour: Colour) -> String {
    let (light, dark) = (colour.readable_on(&LIGHT, Colour::BLACK), colour.readable_on(&DARK, Colour::WHITE));
    let on = colour.opposite();
    format!(
        ":root{{--brand:{light};--fill:{colour};--on-brand:{on}}}\n@media(prefers-color-scheme:dark){{:root{{--brand:{dark};--on-brand:{on}}}}}\n"
    )
}

/// The name's first letter on the colour.
fn icon(name: &str, colour: Colour) -> String {
    // A letter or digit needs no escaping.
    let letter = name.chars().find(|c| c.is_alphanumeric()).and_then(|c| c.to_uppercase().next()).unwrap_or('·');
    let on = colour.opposite();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\"><rect width=\"64\" height=\"64\" rx=\"14\" fill=\"{colour}\"/>\
         <text x=\"32\" y=\"46\" font-family=\"system-ui,sans-serif\" font-size=\"40\" font-weight=\"700\" text-anchor=\"middle\" \
         fill=\"{on}\">{letter}</text></svg>"
    )
}

/// `GET PREFIX/brand.css`.
pub async fn style_sheet(call: Call) -> Result<Response, Unreadable> {
    let sheet = call.front.brand.sheet.clone();
    Ok(sheet.map_or_else(|| response::nothing_here(&call.request_id), |sheet| kept("text/css; charset=utf-8", sheet)))
}

/// `GET PREFIX/logo`.
pub async fn logo(call: Call) -> Result<Response, Unreadable> {
    let logo = call.front.brand.logo.clone();
    Ok(logo.map_or_else(|| response::nothing_here(&call.request_id), |logo| picture(logo.media, logo.bytes.to_vec())))
}

/// `GET PREFIX/icon.svg`.
pub async fn icon_file(call: Call) -> Result<Response, Unreadable> {
    Ok(picture("image/svg+xml", call.front.brand.icon.clone().into_bytes()))
}

fn picture(media: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = kept(media, bytes);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, OF_PICTURE);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::colour::READABLE;
    use proptest::prelude::*;

    const DASHBOARD: &str = include_str!("templates/dashboard.css");

    /// The colours that a part of a sheet names.
    fn named(part: &str, wanted: &str) -> Colour {
        let mut all = part.split([';', '{', '}']).filter_map(|rule| rule.trim().strip_prefix("--")?.split_once(':'));
        let found = all.rfind(|(name, _)| *name == wanted);
        found.and_then(|(_, value)| Colour::parse(value.trim()).ok()).unwrap_or_else(|| panic!("{wanted} in {part}"))
    }

    fn in_light_and_dark(sheet: &str) -> (&str, &str) {
        let (light, rest) = sheet.split_once("@media").expect("light, then dark");
        (light, rest.split_once("}\n").map_or(rest, |(dark, _)| dark))
    }

    #[test]
    fn the_grounds_are_those_of_the_style_sheet_and_its_own_texts_can_be_read_there() {
        let (light, rest) = DASHBOARD.split_once("@media (prefers-color-scheme: dark)").expect("light, then dark");
        let dark = rest.split("* {").next().expect("it ends");
        for (grounds, part) in [(LIGHT, light), (DARK, dark)] {
            assert_eq!([named(part, "paper"), named(part, "ground")], grounds);
            for text in ["ink", "quiet", "brand", "good", "bad"] {
                for ground in grounds {
                    assert!(named(part, text).contrast(ground) >= READABLE, "{text} on {ground}");
                }
            }
            assert!(named(part, "on-brand").contrast(named(part, "brand")) >= READABLE);
        }
    }

    proptest! {
        #[test]
        fn any_colour_can_be_read(red: u8, green: u8, blue: u8) {
            let colour = Colour::new(red, green, blue);
            let sheet = sheet(colour);
            let (light, dark) = in_light_and_dark(&sheet);
            prop_assert_eq!(named(light, "fill"), colour);
            for (grounds, part) in [(LIGHT, light), (DARK, dark)] {
                prop_assert!(grounds.iter().all(|ground| named(part, "brand").contrast(*ground) >= READABLE), "{}", sheet);
                prop_assert!(named(part, "on-brand").contrast(colour) >= READABLE, "{}", sheet);
            }
        }

        #[test]
        fn no_name_breaks_out_of_the_icon(name: String) {
            let (icon, plain) = (icon(&name, USUAL), icon("a", USUAL));
            prop_assert_eq!(icon.matches(['<', '>', '&', '"']).count(), plain.matches(['<', '>', '&', '"']).count(), "{}", icon);
        }
    }
}
