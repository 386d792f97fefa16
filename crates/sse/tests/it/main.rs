//! Tests of the crate's public interface.
//!
//! This module contains what the other modules share: functions that cut a stream into pieces,
//! decode it, and generate streams.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod differential;
mod hostile;
mod roundtrip;
mod vectors;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tidings_sse::{Decoded, Decoder, decode};

type Items = Vec<Result<Decoded, decode::Error>>;

/// All items that `decoder` returns for `pieces`.
fn decode<'a>(mut decoder: Decoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Items {
    let mut items = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        items.extend(decoder.by_ref());
    }
    items
}

/// The pieces of `stream` between `cuts`. Two cuts at the same place result in an empty piece.
fn pieces<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.sort_unstable();
    places.push(stream.len());
    let mut start = 0;
    let cut = places.into_iter().map(|end| {
        let piece = &stream[start..end];
        start = end;
        piece
    });
    cut.collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..12)
}

/// Text with many characters and fields that have a special meaning for a decoder.
fn tricky_text() -> impl Strategy<Value = String> {
    let ends = select(vec!["\n", "\r", "\r\n", "\n\n", "\r\n\r\n"]);
    let fields = select(vec![
        "data",
        "data:",
        "data: x",
        "event",
        "event: e",
        "id",
        "id: 1",
        "id:2",
        "retry:",
        "retry: 10",
        "retry: +1",
    ]);
    let marks = select(vec![
        ":",
        " ",
        "  ",
        ": ping",
        "\0",
        "\t",
        "\u{feff}",
        "é",
        "𝄞",
        "x",
        "7",
        "99999999999999999999",
    ]);
    let token = prop_oneof![
        6 => ends.prop_map(str::to_owned),
        6 => fields.prop_map(str::to_owned),
        3 => marks.prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

/// Bytes like [`tricky_text`], with invalid UTF-8 in between: stray, overlong, surrogate and
/// truncated sequences.
fn tricky_bytes() -> impl Strategy<Value = Vec<u8>> {
    let broken = select(vec![
        &b"\xff"[..],
        b"\x80",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xe4\xb8",
        b"\xf0\x9d\x84",
        b"\xef\xbb\xbf",
        b"\xef\xbb",
        b"",
    ]);
    vec((broken, tricky_text()), 0..4).prop_map(|parts| {
        let parts = parts
            .into_iter()
            .flat_map(|(broken, text)| [broken.to_vec(), text.into_bytes()]);
        parts.collect::<Vec<_>>().concat()
    })
}
