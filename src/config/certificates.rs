//! Certificates of a private authority, PEM.

use std::path::Path;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Reads all that a file holds, at least one.
pub fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let read = CertificateDer::pem_file_iter(path).and_then(|all| all.collect::<Result<Vec<_>, _>>());
    let all = read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if all.is_empty() { Err(wrong("holds no certificate; it must be PEM".into())) } else { Ok(all) }
}
