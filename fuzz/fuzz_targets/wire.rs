//! What reads a connection before hyper does: the first byte says how long the pieces are, which must not matter.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::fuzzing::http::strict::{Reading, Refusal};

/// Reads all of it in pieces of this length; where it was refused is left out.
fn read(bytes: &[u8], length: usize) -> (Reading, Option<Refusal>) {
    let mut reading = Reading::new(256);
    let refusal = bytes.chunks(length).find_map(|piece| reading.feed(piece).err());
    (reading, refusal.map(|refusal| Refusal { sound: 0, ..refusal }))
}

fuzz_target!(|data: &[u8]| {
    if let [length, bytes @ ..] = data {
        let whole = read(bytes, bytes.len().max(1));
        assert_eq!(whole, read(bytes, usize::from(*length).max(1)));
        assert_eq!(whole, read(bytes, 1));
    }
});
