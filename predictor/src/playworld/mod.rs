//! Procedural physics videos for pretraining.
//!
//! Discs and boxes move, roll, bounce and collide in rooms of many shapes, behind occluders of many
//! shapes and places, before backgrounds of many colours and textures, seen by a camera that may
//! shake. Physics comes from rapier (deterministic build), pictures from the game's rasteriser.
//!
//! A playworld video is never a Mental-Pong trial: its room is never square
//! ([`MIN_ASPECT_DISTANCE`]), no body starts at a speed of the task ([`TASK_SPEEDS`]), and no
//! occluder covers the right quarter of the view from top to bottom ([`Occluder::is_task_like`]).

mod rooms;
mod scene;
mod video;

pub use rooms::{RoomMix, WallMarks};
pub use scene::{
    Body, BodyShape, MAX_SPEED, MIN_ASPECT_DISTANCE, Mix, Occluder, OccluderShape, Room, Scene,
    TASK_SPEED_MARGIN, TASK_SPEEDS, VIEW_UNITS,
};
pub use video::{BodyState, Layers, Video};
