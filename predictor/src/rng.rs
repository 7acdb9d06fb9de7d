//! Named random streams: one for each (root seed, purpose, index). They are the game's own, so that
//! a seed means the same in every crate.

pub use mental_pong_game::random::Stream;
