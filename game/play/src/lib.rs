//! Mental-Pong in a window and as a web page, over the task of [`mental_pong_game`].
//!
//! [`page`] is a session as a web page starts it: its query, its files, what the browser keeps. With the
//! feature `window`, `window::MentalPongPlugin` plays a session in any bevy app.

pub mod page;

#[cfg(feature = "window")]
pub mod window;
