//! What every room of Mental-Pong shares and none of them owns.
//!
//! [`files`] writes files that are whole or absent and names content by its hash; [`Monitor`] is how long
//! work tells of its progress and is asked to stop; [`Stream`] is a named stream of random numbers;
//! [`table`] reads small
//! text tables; [`guess`] finds what somebody may have meant; [`threads`] runs independent pieces in order; [`simd`]
//! compiles a loop for the processor's vectors.
//!
//! ```
//! use mental_pong_base::Stream;
//!
//! // A stream depends on its seed, its purpose and its index, and on nothing else.
//! let mut stream = Stream::new(1, "example", 0);
//! assert_eq!(stream.unit(), Stream::new(1, "example", 0).unit());
//! ```

mod error;
pub mod files;
pub mod guess;
mod monitor;
mod rng;
pub mod simd;
pub mod table;
pub mod threads;

pub use error::IoError;
pub use monitor::{Monitor, Quiet};
pub use rng::Stream;
