//! The screens of text: instructions, rest, pause, end.

use bevy::prelude::*;
use bevy::sprite::Anchor;
use bevy::text::TextBounds;
use bevy::window::{Monitor, PrimaryMonitor, PrimaryWindow};

use super::angle::warning;
use super::keys::Keys;
use super::palette::Colors;
use super::scene::{View, color};
use super::{PlaySession, PlaySettings, PlaySystems};
use mental_pong_game::frames::Rgb;
use mental_pong_game::records::summary::errors_by_condition;
use mental_pong_game::records::{Other, Summary, TrialRow};
use mental_pong_game::task::session::{Session, Stage};
use mental_pong_game::task::trial::{HitRule, Phase};

/// Width of a page, degrees: longer lines are broken.
const WIDTH_DEG: f64 = 19.4;

/// What a screen says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Words {
    /// The heading.
    pub title: String,
    /// The text.
    pub body: String,
    /// What to press.
    pub hint: String,
}

/// Everything that belongs to the present screen.
#[derive(Component)]
struct OnScreen;

/// What the present screen was made from.
#[derive(Resource, Default, PartialEq, Clone)]
struct Made(Option<(Stage, Words, View)>);

pub(super) fn build(app: &mut App) {
    app.init_resource::<Made>().add_systems(
        Update,
        make.run_if(resource_exists::<PlaySession>)
            .in_set(PlaySystems::Draw),
    );
}

/// The name of a key as a person reads it.
#[must_use]
pub fn key_label(name: &str) -> String {
    match name {
        "ArrowUp" => "arrow up".to_owned(),
        "ArrowDown" => "arrow down".to_owned(),
        "ArrowLeft" => "arrow left".to_owned(),
        "ArrowRight" => "arrow right".to_owned(),
        "Space" => "the space bar".to_owned(),
        other => other
            .strip_prefix("Key")
            .or_else(|| other.strip_prefix("Digit"))
            .unwrap_or(other)
            .to_owned(),
    }
}

/// What the screen of a stage says.
#[must_use]
pub fn words(stage: Stage, session: &Session, keys: &Keys, summary: &Summary) -> Words {
    let key = |names: &[String]| names.first().map(|n| key_label(n)).unwrap_or_default();
    let go = key(&keys.go);
    let plan = session.plan();
    let total = plan.trials.len();
    let leave = format!(
        "{} leaves; the session goes on from there next time.",
        key(&keys.quit)
    );
    match stage {
        Stage::Running => Words::default(),
        Stage::Welcome => {
            let first = plan.trials.get(session.n_done());
            let practice = first.is_some_and(|t| t.spec.practice);
            let more = if session.n_done() > 0 {
                format!("Trials 1 to {} are done already.", session.n_done())
            } else if practice {
                "It begins with a few practice trials in which nothing is hidden.".to_owned()
            } else {
                String::new()
            };
            Words {
                title: "Mental-Pong".into(),
                body: format!(
                    "A ball flies to the right and disappears behind a curtain.\n\
                     Move the paddle to where the ball will come out.\n\n\
                     1.  Look at the white point and hold {}.\n\
                     2.  The ball appears, waits a moment, and flies.\n\
                     3.  {} and {} move the paddle.\n\
                     4.  The curtain goes: the ball bounces off, or it is missed.\n\n\
                     A mouse, a finger or a stick will do as well.\n{more}",
                    key(&keys.fixate),
                    capital(&key(&keys.up)),
                    key(&keys.down),
                ),
                hint: format!(
                    "Press {go} to begin.  {} pauses.  {leave}",
                    key(&keys.pause)
                ),
            }
        }
        Stage::Rest { block } => Words {
            title: if block <= 1 {
                "Practice is over".into()
            } else {
                "A short rest".into()
            },
            body: format!(
                "Block {block} of {} comes now.\n{} of {total} trials are done.\n{}",
                plan.blocks,
                session.n_done(),
                if summary.n > 0 {
                    format!("You have met {} of {} balls.", summary.n_hit, summary.n)
                } else {
                    String::new()
                }
            ),
            hint: format!("Press {go} to go on.  {leave}"),
        },
        Stage::Paused => Words {
            title: "Paused".into(),
            body: format!("{} of {total} trials are done.", session.n_done()),
            hint: format!("Press {go} to go on.  {leave}"),
        },
        Stage::End => Words {
            title: "Thank you".into(),
            body: format!("All {total} trials are done."),
            hint: format!("{} leaves.", capital(&key(&keys.quit))),
        },
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

fn make(
    mut commands: Commands,
    play: Res<PlaySession>,
    settings: Res<PlaySettings>,
    view: Res<View>,
    windows: Query<&Window, With<PrimaryWindow>>,
    monitors: Query<&Monitor, With<PrimaryMonitor>>,
    old: Query<Entity, With<OnScreen>>,
    mut made: ResMut<Made>,
    mut draft: Draft,
) {
    let stage = play.session.stage();
    let summary = || Summary::of(&play.done);
    let mut text = if stage == Stage::Running {
        Words::default()
    } else {
        words(stage, &play.session, &settings.keys, &summary())
    };
    if stage != Stage::Running {
        if let Some(notice) = &play.notice {
            text.body = format!("{notice}\n{}", text.body);
        }
        let screen_px = monitors.iter().next().map(|m| m.physical_width);
        if stage == Stage::Welcome
            && windows.iter().next().is_some()
            && let Some(warning) = warning(
                settings.screen.px_per_deg(screen_px),
                (f64::from(view.size_px.0), f64::from(view.size_px.1)),
            )
        {
            text.hint = format!("{}\n{warning}", text.hint);
        }
    }
    let shown = play.output.as_ref().and_then(|output| output.shown);
    if shown.is_some_and(|shown| shown.phase == Phase::Fixation) {
        // Nothing of the trial is seen yet: what was said between trials can be said here too.
        text.hint = play.notice.clone().unwrap_or_default();
    }
    let shows = stage != Stage::Running || !text.hint.is_empty();
    let new = Made(shows.then(|| (stage, text.clone(), *view)));
    if *made == new {
        return;
    }
    *made = new;
    for entity in &old {
        commands.entity(entity).despawn();
    }
    if !shows {
        return;
    }
    let colors = settings.palette.colors();
    let mut page = Page {
        commands: &mut commands,
        px_per_deg: view.logical_px_per_deg,
        colors,
    };
    if stage == Stage::End {
        let rules = &play.session.plan().rules;
        let mut others = play.others.clone();
        if let Some(companion) = &play.beside {
            let name = format!("{} (beside you)", companion.name());
            others.splice(0..0, Other::of(name, &play.beside_done, true));
        }
        let reach = HitRule::reach_deg(rules.hit, &rules.paddle);
        end(&mut page, &mut draft, &text, &play.done, &others, reach);
        return;
    }
    page.text(
        &text.title,
        1.3,
        colors.accent,
        (-9.5, 8.2),
        Anchor::CENTER_LEFT,
    );
    let size = if stage == Stage::Welcome { 0.5 } else { 0.62 };
    page.text(&text.body, size, colors.text, (-9.5, 6.4), Anchor::TOP_LEFT);
    if stage == Stage::Welcome {
        sketch(&mut page, &mut draft);
    }
    page.text(
        &text.hint,
        0.46,
        colors.faint,
        (-9.5, -10.0),
        Anchor::BOTTOM_LEFT,
    );
}

/// Meshes and materials to draw with.
#[derive(bevy::ecs::system::SystemParam)]
struct Draft<'w> {
    meshes: ResMut<'w, Assets<Mesh>>,
    materials: ResMut<'w, Assets<ColorMaterial>>,
}

/// A page of text and figures in degrees.
struct Page<'a, 'w, 's> {
    commands: &'a mut Commands<'w, 's>,
    px_per_deg: f64,
    colors: Colors,
}

impl Page<'_, '_, '_> {
    /// Text of a height in degrees, drawn at the pixels that it has on the screen.
    fn text(&mut self, text: &str, height_deg: f64, rgb: Rgb, at: (f64, f64), anchor: Anchor) {
        // Text is placed by its bounds where it has any: labels have none.
        let bounds = if anchor == Anchor::TOP_LEFT || anchor == Anchor::BOTTOM_LEFT {
            TextBounds::new_horizontal((WIDTH_DEG * self.px_per_deg) as f32)
        } else {
            TextBounds::UNBOUNDED
        };
        self.commands.spawn((
            OnScreen,
            Text2d::new(text),
            TextFont::from_font_size((height_deg * self.px_per_deg) as f32),
            bounds,
            TextColor(color(rgb)),
            anchor,
            Transform::from_xyz(at.0 as f32, at.1 as f32, 10.0)
                .with_scale(Vec3::splat((1.0 / self.px_per_deg) as f32)),
        ));
    }

    fn shape(
        &mut self,
        mesh: Mesh2d,
        material: &Handle<ColorMaterial>,
        at: (f64, f64, f32),
        size: (f64, f64),
    ) {
        self.commands.spawn((
            OnScreen,
            mesh,
            MeshMaterial2d(material.clone()),
            Transform::from_xyz(at.0 as f32, at.1 as f32, at.2).with_scale(Vec3::new(
                size.0 as f32,
                size.1 as f32,
                1.0,
            )),
        ));
    }
}

/// The task at a glance: the ball's way, the curtain, the paddle where the ball comes out.
fn sketch(page: &mut Page<'_, '_, '_>, draft: &mut Draft<'_>) {
    let colors = page.colors;
    let unit = Mesh2d(draft.meshes.add(Rectangle::new(1.0, 1.0)));
    let disc = Mesh2d(draft.meshes.add(Circle::new(0.5).mesh().resolution(32)));
    let mut paint = |rgb: Rgb, alpha: f32| {
        draft.materials.add(ColorMaterial {
            color: color(rgb).with_alpha(alpha),
            ..default()
        })
    };
    // A field of 9.2° × 4.6° around (-4.8, -3.7), with a quarter behind the curtain as in the task.
    let (x, y, w, h) = (-4.8, -3.7, 9.2, 4.6);
    let (frame, field) = (paint(colors.frame, 1.0), paint(colors.background, 1.0));
    page.shape(unit.clone(), &frame, (x, y, 2.0), (w + 0.1, h + 0.1));
    page.shape(unit.clone(), &field, (x, y, 3.0), (w, h));
    let curtain = paint(colors.occluder, 1.0);
    page.shape(
        unit.clone(),
        &curtain,
        (x + 0.375 * w, y, 4.0),
        (0.25 * w, h),
    );
    // Eight places of the ball on a line; those behind the curtain are hidden.
    for n in 0..6 {
        let along = f64::from(n) / 8.0;
        let at = (
            x - 0.42 * w + 0.92 * w * along,
            y - 0.3 * h + 0.55 * h * along,
        );
        let ball = paint(colors.ball, 0.3 + 0.14 * n as f32);
        page.shape(disc.clone(), &ball, (at.0, at.1, 5.0), (0.26, 0.26));
    }
    let paddle = paint(colors.paddle, 1.0);
    page.shape(unit, &paddle, (x + 0.5 * w, y + 0.25 * h, 6.0), (0.24, 1.2));
    let label = |page: &mut Page<'_, '_, '_>, text: &str, at: (f64, f64)| {
        page.text(text, 0.42, colors.faint, at, Anchor::CENTER_LEFT);
    };
    label(page, "the ball is seen", (x - 0.42 * w, y - 0.4 * h));
    label(
        page,
        "the paddle meets it here",
        (x + 0.5 * w + 0.4, y + 0.25 * h),
    );
    label(
        page,
        "hidden behind the curtain",
        (x + 0.5 * w + 0.4, y - 0.15 * h),
    );
}

/// The last screen: how it went, and the errors against where the balls arrived.
fn end(
    page: &mut Page<'_, '_, '_>,
    draft: &mut Draft<'_>,
    text: &Words,
    done: &[TrialRow],
    others: &[Other],
    reach_deg: f64,
) {
    let colors = page.colors;
    let summary = &Summary::of(done);
    page.text(
        &text.title,
        1.1,
        colors.accent,
        (-9.8, 9.2),
        Anchor::CENTER_LEFT,
    );
    page.text(
        &lines(text, done, others),
        0.5,
        colors.text,
        (-9.8, 8.0),
        Anchor::TOP_LEFT,
    );
    page.text(
        &text.hint,
        0.46,
        colors.faint,
        (-9.8, -10.4),
        Anchor::BOTTOM_LEFT,
    );

    let unit = draft.meshes.add(Rectangle::new(1.0, 1.0));
    let disc = draft.meshes.add(Circle::new(0.5).mesh().resolution(32));
    let square = draft
        .meshes
        .add(Annulus::new(0.36, 0.5).mesh().resolution(32));
    let mut paint = |rgb: Rgb, alpha: f32| {
        draft.materials.add(ColorMaterial {
            color: color(rgb).with_alpha(alpha),
            ..default()
        })
    };
    let (axis, band) = (paint(colors.faint, 0.8), paint(colors.paddle, 0.22));
    let (occluded, visible) = (paint(colors.accent, 0.9), paint(colors.text, 0.95));
    // The figure: truth from −10° to 10° across, error from −5° to 5° up.
    let (left, bottom, width, height) = (-8.2, -8.0, 17.6, 8.4);
    let x = |truth: f64| left + (truth + 10.0) / 20.0 * width;
    let y = |error: f64| bottom + (error.clamp(-5.0, 5.0) + 5.0) / 10.0 * height;
    let rect = |mesh: &Handle<Mesh>| Mesh2d(mesh.clone());
    let (middle_x, middle_y) = (x(0.0), y(0.0));
    page.shape(
        rect(&unit),
        &band,
        (middle_x, middle_y, 5.0),
        (width, y(reach_deg) - y(-reach_deg)),
    );
    page.shape(rect(&unit), &axis, (middle_x, middle_y, 6.0), (width, 0.04));
    page.shape(rect(&unit), &axis, (middle_x, bottom, 6.0), (width, 0.05));
    page.shape(rect(&unit), &axis, (left, middle_y, 6.0), (0.05, height));
    for tick in [-10.0, -5.0, 0.0, 5.0, 10.0] {
        page.shape(
            rect(&unit),
            &axis,
            (x(tick), bottom - 0.1, 6.0),
            (0.05, 0.2),
        );
        page.text(
            &format!("{tick:.0}"),
            0.42,
            colors.faint,
            (x(tick), bottom - 0.55),
            Anchor::CENTER,
        );
    }
    for tick in [-5.0, -2.5, 0.0, 2.5, 5.0] {
        page.shape(rect(&unit), &axis, (left - 0.1, y(tick), 6.0), (0.2, 0.05));
        page.text(
            &format!("{tick}"),
            0.42,
            colors.faint,
            (left - 0.3, y(tick)),
            Anchor::CENTER_RIGHT,
        );
    }
    page.text(
        "where the ball arrived (deg)",
        0.42,
        colors.faint,
        (middle_x, bottom - 1.2),
        Anchor::CENTER,
    );
    page.text(
        "error: paddle minus ball (deg); the band is a hit",
        0.42,
        colors.faint,
        (left, y(5.0) + 0.6),
        Anchor::CENTER_LEFT,
    );
    // Others beneath, where they have records: the place of a condition is the person's.
    let others_points: Vec<(f64, f64)> = {
        let own = errors_by_condition(done);
        others
            .iter()
            .filter(|other| other.pictured)
            .flat_map(|other| &other.errors_deg)
            .filter_map(|(id, error)| Some((own.get(id)?.0, *error)))
            .collect()
    };
    let other = paint(colors.faint, 0.9);
    for &(truth, error) in &others_points {
        page.shape(rect(&unit), &other, (x(truth), y(error), 6.5), (0.14, 0.14));
    }
    if !others_points.is_empty() {
        page.shape(rect(&unit), &other, (2.9, y(5.0) + 0.6, 6.5), (0.14, 0.14));
        page.text(
            "others",
            0.42,
            colors.text,
            (3.2, y(5.0) + 0.6),
            Anchor::CENTER_LEFT,
        );
    }
    for &(truth, paddle) in &summary.occluded_deg {
        page.shape(
            rect(&disc),
            &occluded,
            (x(truth), y(paddle - truth), 7.0),
            (0.3, 0.3),
        );
    }
    for &(truth, paddle) in &summary.visible_deg {
        page.shape(
            rect(&square),
            &visible,
            (x(truth), y(paddle - truth), 8.0),
            (0.34, 0.34),
        );
    }
    let key_y = y(5.0) + 0.6;
    page.shape(rect(&disc), &occluded, (5.0, key_y, 7.0), (0.3, 0.3));
    page.text(
        "hidden",
        0.42,
        colors.text,
        (5.3, key_y),
        Anchor::CENTER_LEFT,
    );
    page.shape(rect(&square), &visible, (7.5, key_y, 8.0), (0.34, 0.34));
    page.text(
        "visible",
        0.42,
        colors.text,
        (7.8, key_y),
        Anchor::CENTER_LEFT,
    );
}

/// How it went, in lines.
fn lines(text: &Words, done: &[TrialRow], others: &[Other]) -> String {
    let summary = Summary::of(done);
    let mut lines = vec![text.body.clone()];
    if summary.n > 0 {
        let percent = 100.0 * summary.n_hit as f64 / summary.n as f64;
        lines.push(format!(
            "Balls met: {} of {} ({percent:.0} %)",
            summary.n_hit, summary.n
        ));
    }
    if summary.n_ignored > 0 {
        lines.push(format!("Trials not taken up: {}", summary.n_ignored));
    }
    if let Some(mae) = summary.mae_occluded_deg {
        lines.push(format!(
            "Mean absolute error, ball hidden: {mae:.2} deg ({} trials)",
            summary.n_occluded
        ));
    }
    if let Some(mae) = summary.mae_visible_deg {
        lines.push(format!(
            "Mean absolute error, ball visible: {mae:.2} deg ({} trials)",
            summary.n_visible
        ));
    }
    if !others.is_empty() {
        let all: Vec<String> = others
            .iter()
            .map(|other| {
                let alike = other.alike(done);
                let alike = alike.map_or_else(String::new, |(r, _)| format!(" (r = {r:.2})"));
                format!("{} {:.2} deg{alike}", other.name, other.mae_deg)
            })
            .collect();
        lines.push(format!(
            "Others on the same hidden balls (r: their errors with yours): {}",
            all.join(", ")
        ));
    }
    lines.push(format!(
        "Late frames: {} of {}{}",
        summary.n_late,
        summary.n_frames,
        if summary.n_late > 0 {
            format!(", at most {:.0} ms", summary.max_late_ms)
        } else {
            String::new()
        }
    ));
    lines.join("\n")
}
