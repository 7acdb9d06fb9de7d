//! The game as a web page: carries texts between the page's scripts and [`mental_pong_play::page`].
//!
//! The page calls this program once its own half, the object `mentalPong`, is there; see `page.js`.

use bevy::camera::Hdr;
use bevy::prelude::*;
use mental_pong_game::Result;
use mental_pong_game::records::{Display, Keeper};
use mental_pong_game::task::session::{Finished, Stage};
use mental_pong_play::page::{Opened, Request};
use mental_pong_play::window::app::{Game, Sink, WindowSize, build};
use mental_pong_play::window::scene::PlayCamera;
use mental_pong_play::window::{
    Frame, PlayClock, PlaySession, PlaySettings, PlaySystems, ScreenGeometry,
};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(js_namespace = mentalPong)]
extern "C" {
    /// The [`Request`] as JSON.
    fn request() -> String;
    /// Pixels across the screen.
    #[wasm_bindgen(js_name = screenPx)]
    fn screen_px() -> u32;
    /// Physical pixels across the canvas.
    #[wasm_bindgen(js_name = canvasWidth)]
    fn canvas_width() -> u32;
    /// Physical pixels down the canvas.
    #[wasm_bindgen(js_name = canvasHeight)]
    fn canvas_height() -> u32;
    /// Takes [`mental_pong_game::records::SessionTexts`] as JSON.
    fn session(json: &str);
    /// Takes [`mental_pong_game::records::TrialTexts`] as JSON.
    fn trial(json: &str);
    /// How many trials are safe.
    fn stored() -> u32;
    /// Whether the page was hidden since the last call.
    #[wasm_bindgen(js_name = wasHidden)]
    fn was_hidden() -> bool;
    /// Where the session is.
    fn stage(name: &str);
    /// Why it cannot go on.
    fn failed(message: &str);
}

struct ToPage(Keeper);

fn json<T: Serialize>(value: &T) -> String {
    // Structures of numbers and texts: there is nothing in them that JSON has not.
    serde_json::to_string(value).unwrap_or_default()
}

/// Tells the page too: nobody sees what the app returns.
fn told<T>(result: Result<T>) -> Result<T> {
    result.inspect_err(|error| failed(&error.to_string()))
}

impl Sink for ToPage {
    fn trial(&mut self, finished: &Finished) -> Result<()> {
        trial(&json(&told(self.0.trial(finished))?));
        Ok(())
    }

    fn display(&mut self, display: &Display) -> Result<()> {
        self.0.describe(display);
        session(&json(&told(self.0.session())?));
        Ok(())
    }
}

fn settings(request: &Request) -> Result<PlaySettings> {
    let mut settings = PlaySettings {
        reduced_flash: request.flag("reduced-flash")?,
        photodiode: request.flag("photodiode")?,
        screen: ScreenGeometry {
            width_cm: request.number("screen-cm")?,
            distance_cm: request.number("distance-cm")?,
            width_px: Some(screen_px()),
        },
        ..PlaySettings::default()
    };
    if let Some(name) = request.field("palette") {
        settings.palette = name.parse()?;
    }
    settings.screen.check()?;
    Ok(settings)
}

fn app() -> Result<App> {
    let request: Request = serde_json::from_str(&request())
        .map_err(|e| mental_pong_game::Error::io("read", "the page's request")(e.into()))?;
    let settings = settings(&request)?;
    let opened: Opened = request.open()?;
    let texts = opened.keeper.session()?;
    let done = opened.keeper.done().to_vec();
    let mut app = build(Game {
        session: opened.session,
        done,
        others: Vec::new(),
        settings,
        // Its size from the first frame on: the records say it.
        window: WindowSize {
            width_px: canvas_width().max(1),
            height_px: canvas_height().max(1),
            fullscreen: false,
        },
        beside: None,
        seat: opened.hands,
        sink: Box::new(ToPage(opened.keeper)),
        leave_at_end: false,
        stopped: Box::new(|| false),
    });
    if let Some(hz) = opened.fixed_hz {
        app.insert_resource(PlayClock::fixed(hz));
    }
    // The page itself keeps the game's keys from scrolling it, and leaves the others alone.
    let world = app.world_mut();
    for mut window in world.query::<&mut Window>().iter_mut(world) {
        window.prevent_default_event_handling = false;
    }
    app.add_systems(PostStartup, blend_in_floats).add_systems(
        Update,
        (
            ask_page
                .after(PlaySystems::Input)
                .before(PlaySystems::Session),
            tell_page.after(PlaySystems::Draw),
        ),
    );
    session(&json(&texts));
    Ok(app)
}

/// WebGL 2 cannot see the bytes of a picture as linear and as sRGB, which blending in the colours' bytes
/// needs; in half floats it is the same colours, rounded once.
fn blend_in_floats(mut commands: Commands, cameras: Query<Entity, With<PlayCamera>>) {
    for camera in &cameras {
        commands.entity(camera).insert(Hdr);
    }
}

/// Lets the next trial begin when those before it are stored, and pauses behind a hidden page.
fn ask_page(mut play: ResMut<PlaySession>, mut frame: ResMut<Frame>) {
    if play.session.waiting() && stored() as usize >= play.session.n_done() {
        play.session.stored();
    }
    frame.pause |= was_hidden();
}

/// Says where the session is when that changes.
fn tell_page(play: Res<PlaySession>, frame: Res<Frame>, mut last: Local<&'static str>) {
    let now = match play.session.stage() {
        _ if frame.quit => "left",
        Stage::Welcome => "welcome",
        Stage::Rest { .. } => "rest",
        Stage::Running => "running",
        Stage::Paused => "paused",
        Stage::End => "end",
    };
    if *last != now {
        *last = now;
        stage(now);
    }
}

fn main() {
    match app() {
        Ok(mut app) => {
            app.run();
        }
        Err(error) => failed(&error.to_string()),
    }
}
