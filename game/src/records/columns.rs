//! What each column of the records means: written into the JSON beside them.

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds and where it comes from.
    pub description: &'static str,
    /// Its unit, empty for none.
    pub units: &'static str,
    /// Its levels and what they mean, none for a number or a name.
    pub levels: &'static [(&'static str, &'static str)],
}

const fn column(name: &'static str, units: &'static str, description: &'static str) -> Column {
    Column {
        name,
        description,
        units,
        levels: &[],
    }
}

const fn level(
    name: &'static str,
    description: &'static str,
    levels: &'static [(&'static str, &'static str)],
) -> Column {
    Column {
        name,
        description,
        units: "",
        levels,
    }
}

const FLAG: &[(&str, &str)] = &[("true", "yes"), ("false", "no")];

/// The columns of `*_beh.tsv`, in order.
pub const TRIAL_COLUMNS: &[Column] = &[
    column("subject", "", "Label of the subject"),
    column("session", "", "Label of the session"),
    column("block", "", "Block, from 1; practice is block 0"),
    column(
        "trial",
        "",
        "Number of the trial in the session, from 1, practice included",
    ),
    column(
        "condition_id",
        "",
        "Id of the condition in its set; of a published set the row of the generator's table (0 to 472224); own-1, own-2 ... for a trial of the schedule's own, by its row",
    ),
    level(
        "trial_type",
        "Whether the occluder hid the ball",
        &[
            ("occluded", "the occluder was opaque"),
            (
                "visible",
                "the ball could be followed: see occluder_opacity",
            ),
        ],
    ),
    level("practice", "Practice trial without an occluder", FLAG),
    column(
        "occluder_opacity",
        "",
        "Opacity of the occluder: 1 opaque, 0 none",
    ),
    level(
        "law",
        "Law of motion of the ball",
        &[
            (
                "display",
                "60 Hz, turned beyond 9.8 deg: what the animals saw",
            ),
            (
                "design",
                "24 Hz, mirrored at 9.6 deg: what the networks and the masks use",
            ),
        ],
    ),
    column(
        "x0_deg",
        "deg",
        "Start of the ball, degrees of visual angle, right positive",
    ),
    column(
        "y0_deg",
        "deg",
        "Start of the ball, degrees of visual angle, up positive",
    ),
    column(
        "heading_deg",
        "deg",
        "First heading of the ball, degrees of angle, 0 = right, up positive",
    ),
    column("speed_deg_per_s", "deg/s", "Speed of the ball"),
    column(
        "y_true_deg",
        "deg",
        "Height of the ball where it crosses x = 10 deg under the column `law`, between frames by a straight line",
    ),
    column(
        "paddle_y_deg",
        "deg",
        "Height of the paddle's centre when the ball arrived",
    ),
    column("error_deg", "deg", "paddle_y_deg minus y_true_deg"),
    level(
        "outcome",
        "How the trial ended",
        &[
            ("hit", "the paddle met the ball by the rule `hit`"),
            ("miss", "it did not"),
            (
                "ignore",
                "the subject did not fixate in time; the ball never moved",
            ),
        ],
    ),
    column(
        "rt_ms",
        "ms",
        "First movement of the paddle after motion onset; negative before it",
    ),
    column("n_frames", "", "Frames of the trial"),
    column(
        "n_late",
        "",
        "Frames that were handed to the display more than half a refresh period too late",
    ),
    column(
        "max_late_ms",
        "ms",
        "Largest lateness of a frame, beyond one refresh period after the frame before",
    ),
    level(
        "focus_lost",
        "Whether the window was without the input focus in the trial",
        FLAG,
    ),
    level(
        "controller_lost",
        "Whether a controller was unplugged in the trial",
        FLAG,
    ),
    level(
        "paddle_moved",
        "Whether the paddle was moved in the trial",
        FLAG,
    ),
    column(
        "begun_ms",
        "ms",
        "First frame of the trial, on the run's clock",
    ),
    column(
        "still_on_ms",
        "ms",
        "First frame of the still ball, on the run's clock",
    ),
    column("motion_on_ms", "ms", "Motion onset, on the run's clock"),
    column("seed", "", "Seed of the schedule"),
    column(
        "observer",
        "",
        "Who played: person, script, or the name of an observer",
    ),
];

/// The columns of `*_frames.tsv`, in order.
pub const FRAME_COLUMNS: &[Column] = &[
    column("trial", "", "Number of the trial"),
    column("frame", "", "Number of the frame in the trial, from 0"),
    level(
        "phase",
        "Part of the trial",
        &[
            ("fixation", "the fixation point waits to be held"),
            ("still", "frame, paddle and still ball"),
            ("visible", "the ball flies, x below 5 deg"),
            ("occluded", "the ball flies, x from 5 deg"),
            ("feedback", "the ball has arrived, the occluder is gone"),
            ("pause", "empty screen"),
        ],
    ),
    column(
        "intended_ms",
        "ms",
        "The time that the frame shows, on the run's clock",
    ),
    column(
        "presented_ms",
        "ms",
        "When the frame had been handed to the display, on the run's clock, as the program saw it; not a measurement of light",
    ),
    level(
        "late",
        "Whether it was handed over more than half a refresh period too late",
        FLAG,
    ),
    column("ball_x_deg", "deg", "Ball, seen or not"),
    column("ball_y_deg", "deg", "Ball, seen or not"),
    column("paddle_y_deg", "deg", "Height of the paddle's centre"),
    level(
        "paddle_moved",
        "Whether the paddle has moved in this trial",
        FLAG,
    ),
    level(
        "input",
        "State of the paddle's control",
        &[
            ("up", "towards positive y"),
            ("down", "towards negative y"),
            ("neutral", "neither, or both"),
        ],
    ),
    level(
        "fixating",
        "Whether the subject fixates, or holds the key that stands for it",
        FLAG,
    ),
];

/// The header line of some columns, with its line break.
#[must_use]
pub fn header(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|c| c.name).collect();
    names.join("\t") + "\n"
}
