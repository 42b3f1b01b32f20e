//! Colours, and whether one can be read on another (WCAG 2.2, 1.4.3).

use std::fmt;

/// The least contrast at which text of any size can be read (AA).
pub const READABLE: f64 = 4.5;

/// A colour of sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Colour {
    /// Black.
    pub const BLACK: Self = Self([0; 3]);
    /// White.
    pub const WHITE: Self = Self([255; 3]);

    /// Of red, green and blue.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// Reads `#1a56db` or `#15d`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no colour: write it as #1a56db");
        let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())).ok_or_else(wrong)?;
        let wide: String = match digits.len() {
            3 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
            6 => digits.to_owned(),
            _ => return Err(wrong()),
        };
        let part = |at: usize| u8::from_str_radix(&wide[at..at + 2], 16).map_err(|_| wrong());
        Ok(Self([part(0)?, part(2)?, part(4)?]))
    }

    /// The contrast with another: 1 (the same) to 21 (black on white).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Black or white, whichever can be read better on this colour.
    pub fn opposite(self) -> Self {
        if self.contrast(Self::BLACK) >= self.contrast(Self::WHITE) { Self::BLACK } else { Self::WHITE }
    }

    /// This colour, made darker or lighter, as little as it takes to be read on all of these grounds.
    pub fn readable_on(self, grounds: &[Self], towards: Self) -> Self {
        let steps = (0..=100).map(|percent| self.mixed(towards, percent));
        let is_readable = |colour: &Self| grounds.iter().all(|ground| colour.contrast(*ground) >= READABLE);
        steps.into_iter().find(is_readable).unwrap_or(towards)
    }

    fn mixed(self, other: Self, percent: u32) -> Self {
        let part = |at: usize| ((u32::from(self.0[at]) * (100 - percent) + u32::from(other.0[at]) * percent) / 100) as u8;
        Self([part(0), part(1), part(2)])
    }

    /// Relative luminance, 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let share = f64::from(part) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0[0]) + 0.7152 * linear(self.0[1]) + 0.0722 * linear(self.0[2])
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_read_and_write() {
        assert_eq!(Colour::parse("#1A56db").unwrap().to_string(), "#1a56db");
        assert_eq!(Colour::parse("#15d"), Ok(Colour::new(0x11, 0x55, 0xdd)));
        for wrong in ["", "1a56db", "#", "#12", "#12345", "#gggggg", "#+12345", "red", "#1a56db;", "#äöüä"] {
            assert!(Colour::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn contrast_is_wcags() {
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 0.001);
        // The grey that just passes, and the one that just does not.
        assert!(Colour::new(0x76, 0x76, 0x76).contrast(Colour::WHITE) >= READABLE);
        assert!(Colour::new(0x77, 0x77, 0x77).contrast(Colour::WHITE) < READABLE);
    }

    proptest! {
        #[test]
        fn any_colour_becomes_readable(red: u8, green: u8, blue: u8) {
            let colour = Colour::new(red, green, blue);
            let (light, dark) = ([Colour::WHITE, Colour::new(0xf3, 0xf4, 0xf6)], [Colour::new(0x14, 0x16, 0x1a), Colour::new(0x1f, 0x22, 0x28)]);
            for (grounds, towards) in [(light, Colour::BLACK), (dark, Colour::WHITE)] {
                let readable = colour.readable_on(&grounds, towards);
                prop_assert!(grounds.iter().all(|ground| readable.contrast(*ground) >= READABLE), "{colour} {readable}");
            }
        }
    }
}
