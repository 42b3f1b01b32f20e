//! A receiver that speaks HTTPS, under a private authority: that of doctor's tests, for localhost.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::support::wire::{Body, Head};

const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox/doctor/certificates/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("../doctor/certificates/localhost.pem");
const PRIVATE: &[u8] = include_bytes!("../doctor/certificates/key.pem");

/// A port where each request is taken, and what came there.
fn receiver(address: &str) -> (u16, Receiver<Heard>) {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()], PrivateKeyDer::from_pem_slice(PRIVATE).unwrap())
        .unwrap();
    let (config, listener, (sender, heard)) = (Arc::new(config), TcpListener::bind((address, 0)).unwrap(), channel());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream.unwrap()));
            // Whoever does not trust us says nothing.
            let Ok(Some(head)) = Head::read(&mut reader) else { continue };
            let Ok(body) = Body::of_request(&head).whole(&mut reader) else { continue };
            let _ = reader.get_mut().write_all(&answer("200 OK", "", ""));
            reader.get_mut().conn.send_close_notify();
            let _ = reader.get_mut().flush();
            if sender.send(Heard { head, body, is_whole: true, ..Heard::default() }).is_err() {
                return;
            }
        }
    });
    (port, heard)
}

#[test]
fn https_is_believed_where_its_authority_is_and_for_the_name_that_was_asked() {
    let ((port, heard), (stranger, unheard)) = (receiver("127.0.0.1"), receiver("127.0.0.2"));
    let url = format!("https://localhost:{port}/hooks");
    let quiet = "retries = []\nevents = [\"key.*\"]\n";
    let more = format!("{quiet}ca = \"{AUTHORITY}\"");
    let config = [
        endpoint("known", &url, &more),
        endpoint("unknown", &url, quiet),
        endpoint("another", &format!("https://127.0.0.2:{stranger}/"), &more),
    ];
    let stage = Stage::with(&config.concat());
    for (name, state, fault) in [("known", "taken", ""), ("unknown", "given_up", "TLS"), ("another", "given_up", "TLS")] {
        let made = stage.post(&format!("/webhooks/{name}/test"), &json!({})).expect(201).json();
        let message = wait_for_state(&stage, state, |message| message["id"] == made["id"]);
        assert!(message["fault"].as_str().unwrap_or_default().contains(fault), "{name}: {message}");
    }
    let only = heard.try_recv().expect("one was taken");
    signed(&only);
    assert_eq!(only.one("host"), format!("localhost:{port}"));
    assert!(heard.try_recv().is_err() && unheard.try_recv().is_err(), "and no other");
}
