//! `[brand]`: how pages look that people see; `[sign_in] name` says what the service is called.

use std::path::Path;
use std::sync::Arc;

use super::reader::Table;
use crate::domain::colour::Colour;

/// How large a picture may be.
const LARGEST: u64 = 128 * 1024;

/// The settings.
#[derive(Clone, Debug, Default)]
pub struct BrandSettings {
    /// Beside the name.
    pub logo: Option<Logo>,
    /// Of links and buttons. Where it could not be read, pages use a darker or lighter one.
    pub colour: Option<Colour>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// `image/png`.
    pub media: &'static str,
    /// Its file.
    pub bytes: Arc<[u8]>,
}

pub(super) fn read(table: Table<'_>) -> Option<BrandSettings> {
    let logo = table.parsed("logo", |path| if path.is_empty() { Ok(None) } else { logo(Path::new(path)).map(Some) });
    let colour = table.parsed("colour", |text| if text.is_empty() { Ok(None) } else { Colour::parse(text).map(Some) });
    table.finish();
    Some(BrandSettings { logo: logo?, colour: colour? })
}

fn logo(path: &Path) -> Result<Logo, String> {
    let unread = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(unread)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(format!("{} must be a file of at most {LARGEST} bytes", path.display()));
    }
    let bytes = std::fs::read(path).map_err(unread)?;
    let media = media(&bytes).ok_or_else(|| format!("{} is no picture that browsers show: PNG, JPEG, WebP or SVG", path.display()))?;
    Ok(Logo { media, bytes: bytes.into() })
}

/// What a picture is, by its own bytes.
fn media(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => std::str::from_utf8(bytes).ok().filter(|text| text.contains("<svg")).map(|_| "image/svg+xml"),
    }
}

#[cfg(test)]
mod tests {
    use super::media;

    #[test]
    fn pictures_are_known_by_their_bytes() {
        for (bytes, told) in [
            (&b"\x89PNG\r\n"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"<?xml version=\"1.0\"?><svg xmlns=\"x\"/>", Some("image/svg+xml")),
            (b"<html>", None),
            (b"", None),
            (b"\xff\xfe<svg", None),
        ] {
            assert_eq!(media(bytes), told);
        }
    }
}
