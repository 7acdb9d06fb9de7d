#![no_main]

use libfuzzer_sys::fuzz_target;
use mental_pong_study::card::Card;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Card::from_json(text);
    }
});
