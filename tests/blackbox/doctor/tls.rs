//! By way of a proxy that speaks HTTPS, under a private authority. The certificates beside this file are for localhost, and for
//! these tests alone.

use std::net::TcpListener;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::proxy::{App, Fault, Proxy};
use super::{Told, expect_taken_back};
use crate::support::Stage;
use crate::support::server::text;

const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox/doctor/certificates/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("certificates/localhost.pem");
const KEY: &[u8] = include_bytes!("certificates/key.pem");

/// A port where a proxy speaks HTTPS, for as long as the test runs.
fn speak_https(proxy: Proxy) -> u16 {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()], PrivateKeyDer::from_pem_slice(KEY).unwrap())
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let peer = stream.peer_addr().unwrap().ip();
            let mut secured = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
            proxy.serve_stream(&mut secured, peer);
            secured.conn.send_close_notify();
            // Whoever did not trust us is gone.
            let _ = secured.conn.complete_io(&mut secured.sock);
        }
    });
    port
}

#[test]
fn a_private_authority_is_believed_where_it_is_named() {
    let stage = Stage::with("[server]\nrequire_https = true\n");
    let port = speak_https(Proxy::before(&stage.server.address, Fault::None, App::Probed));
    let url = format!("https://localhost:{port}");
    let told = Told::of(&stage.folder, &["--through", &url]);
    told.expect_failed(&["proxy"]);
    assert!(text(&told.check("proxy")["detail"]).contains("TLS"), "{:#}", told.document);
    assert!(text(&told.check("proxy")["fix"]).contains("--ca FILE"), "{:#}", told.document);
    // A proxy that says that its clients speak plain HTTP.
    let told = Told::of(&stage.folder, &["--through", &url, "--ca", AUTHORITY]);
    told.expect_failed(&["proxy"]);
    assert!(text(&told.check("proxy")["fix"]).contains("X-Forwarded-Proto $scheme"), "{:#}", told.document);
    expect_taken_back(&stage.folder);
    let stage = Stage::with("");
    let port = speak_https(Proxy::before(&stage.server.address, Fault::None, App::Probed));
    for host in ["localhost", "127.0.0.1"] {
        Told::of(&stage.folder, &["--through", &format!("https://{host}:{port}"), "--ca", AUTHORITY]).expect_fit();
    }
    for wrong in ["/dev/null", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        let told = Told::of(&stage.folder, &["--through", &url, "--ca", wrong]);
        assert_eq!(told.code, Some(2), "{:#}", told.document);
    }
}
