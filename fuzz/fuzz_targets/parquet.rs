#![no_main]

use libfuzzer_sys::fuzz_target;
use mental_pong_formats::limits::Limits;
use mental_pong_eval::recordings::dmfc::Opening;
use mental_pong_eval::recordings::long;
use mental_pong_game::task::ConditionSet;
use mental_pong_formats::parquet;

/// Little, so that a false length shows.
fn limits() -> Limits {
    Limits {
        bytes: 16 << 20,
        memo: 1 << 16,
        objects: 1 << 18,
        depth: 100,
        walk: 1 << 20,
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(table) = parquet::from_bytes(data.to_vec(), &limits()) {
        let opening = Opening {
            limits: limits(),
            conditions: ConditionSet::open("all").ok(),
            ..Opening::default()
        };
        let _ = long::from_table(&table, &opening);
    }
});
