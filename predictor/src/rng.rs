//! Named random streams: those of the game crate, one for each (root seed, purpose, index).

pub use mental_pong_game::rng::Stream;
