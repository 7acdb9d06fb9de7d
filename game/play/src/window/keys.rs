//! Which keys do what.

use bevy::prelude::KeyCode;
use serde::{Deserialize, Serialize};

use mental_pong_game::error::{Error, Result};

/// The keys, by their place on the keyboard, as the names of bevy's `KeyCode`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Paddle up.
    pub up: Vec<String>,
    /// Paddle down.
    pub down: Vec<String>,
    /// Stands for gaze on the fixation point.
    pub fixate: Vec<String>,
    /// Go on from a screen of text.
    pub go: Vec<String>,
    /// Stop after this trial.
    pub pause: Vec<String>,
    /// Leave; the session goes on from there next time.
    pub quit: Vec<String>,
}

impl Default for Keys {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Self {
            up: names(&["ArrowUp", "KeyW"]),
            down: names(&["ArrowDown", "KeyS"]),
            fixate: names(&["Space"]),
            go: names(&["Enter", "NumpadEnter"]),
            pause: names(&["KeyP"]),
            quit: names(&["Escape"]),
        }
    }
}

/// The keys that can be named.
const NAMED: &[KeyCode] = &[
    KeyCode::ArrowUp,
    KeyCode::ArrowDown,
    KeyCode::ArrowLeft,
    KeyCode::ArrowRight,
    KeyCode::Space,
    KeyCode::Enter,
    KeyCode::NumpadEnter,
    KeyCode::Escape,
    KeyCode::Tab,
    KeyCode::Backspace,
    KeyCode::ShiftLeft,
    KeyCode::ShiftRight,
    KeyCode::ControlLeft,
    KeyCode::ControlRight,
    KeyCode::AltLeft,
    KeyCode::AltRight,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::Comma,
    KeyCode::Period,
    KeyCode::Slash,
    KeyCode::Semicolon,
    KeyCode::Minus,
    KeyCode::Equal,
    KeyCode::KeyA,
    KeyCode::KeyB,
    KeyCode::KeyC,
    KeyCode::KeyD,
    KeyCode::KeyE,
    KeyCode::KeyF,
    KeyCode::KeyG,
    KeyCode::KeyH,
    KeyCode::KeyI,
    KeyCode::KeyJ,
    KeyCode::KeyK,
    KeyCode::KeyL,
    KeyCode::KeyM,
    KeyCode::KeyN,
    KeyCode::KeyO,
    KeyCode::KeyP,
    KeyCode::KeyQ,
    KeyCode::KeyR,
    KeyCode::KeyS,
    KeyCode::KeyT,
    KeyCode::KeyU,
    KeyCode::KeyV,
    KeyCode::KeyW,
    KeyCode::KeyX,
    KeyCode::KeyY,
    KeyCode::KeyZ,
    KeyCode::Digit0,
    KeyCode::Digit1,
    KeyCode::Digit2,
    KeyCode::Digit3,
    KeyCode::Digit4,
    KeyCode::Digit5,
    KeyCode::Digit6,
    KeyCode::Digit7,
    KeyCode::Digit8,
    KeyCode::Digit9,
    KeyCode::Numpad0,
    KeyCode::Numpad1,
    KeyCode::Numpad2,
    KeyCode::Numpad3,
    KeyCode::Numpad4,
    KeyCode::Numpad5,
    KeyCode::Numpad6,
    KeyCode::Numpad7,
    KeyCode::Numpad8,
    KeyCode::Numpad9,
    KeyCode::NumpadAdd,
    KeyCode::NumpadSubtract,
    KeyCode::F1,
    KeyCode::F2,
    KeyCode::F3,
    KeyCode::F4,
    KeyCode::F5,
    KeyCode::F6,
    KeyCode::F7,
    KeyCode::F8,
    KeyCode::F9,
    KeyCode::F10,
    KeyCode::F11,
    KeyCode::F12,
];

impl Keys {
    /// The key with a name.
    #[must_use]
    pub fn code(name: &str) -> Option<KeyCode> {
        NAMED
            .iter()
            .copied()
            .find(|code| format!("{code:?}") == name)
    }

    /// What a key is for.
    #[must_use]
    pub fn codes(&self) -> KeyCodes {
        let codes = |names: &[String]| names.iter().filter_map(|n| Self::code(n)).collect();
        KeyCodes {
            up: codes(&self.up),
            down: codes(&self.down),
            fixate: codes(&self.fixate),
            go: codes(&self.go),
            pause: codes(&self.pause),
            quit: codes(&self.quit),
        }
    }

    /// Checks that every key exists, and that none does two things.
    ///
    /// # Errors
    /// [`Error::BadValue`] with the key.
    pub fn check(&self) -> Result<()> {
        let all = [
            ("keys.up", &self.up),
            ("keys.down", &self.down),
            ("keys.fixate", &self.fixate),
            ("keys.go", &self.go),
            ("keys.pause", &self.pause),
            ("keys.quit", &self.quit),
        ];
        let bad = |field, expected: String, found: String| {
            Err(Error::BadValue {
                field,
                expected,
                found,
            })
        };
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (field, names) in all {
            if names.is_empty() {
                return bad(field, "at least one key".into(), "none".into());
            }
            for name in names {
                if Self::code(name).is_none() {
                    let expected = "a key such as ArrowUp, KeyW, Space, Digit1, Numpad8".into();
                    return bad(field, expected, format!("`{name}`"));
                }
                if let Some((other, _)) = seen.iter().find(|(_, n)| n == name) {
                    return bad(
                        field,
                        format!("a key that is not in {other}"),
                        format!("`{name}`"),
                    );
                }
                seen.push((field, name));
            }
        }
        Ok(())
    }
}

/// The keys as bevy knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyCodes {
    /// Paddle up.
    pub up: Vec<KeyCode>,
    /// Paddle down.
    pub down: Vec<KeyCode>,
    /// Stands for gaze.
    pub fixate: Vec<KeyCode>,
    /// Go on.
    pub go: Vec<KeyCode>,
    /// Stop after this trial.
    pub pause: Vec<KeyCode>,
    /// Leave.
    pub quit: Vec<KeyCode>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_keys_exist_and_can_be_changed() {
        assert!(Keys::default().check().is_ok());
        let keys: Keys = toml::from_str("up = ['KeyI']\ndown = ['KeyK']").unwrap();
        assert!(keys.check().is_ok());
        assert_eq!(keys.codes().up, [KeyCode::KeyI]);
        assert_eq!(keys.fixate, ["Space"]);
    }

    #[test]
    fn a_key_that_is_none_or_does_two_things_is_refused() {
        let message = |text: &str| {
            toml::from_str::<Keys>(text)
                .unwrap()
                .check()
                .unwrap_err()
                .to_string()
        };
        assert!(message("up = ['Up']").contains("keys.up is `Up`"));
        assert!(message("go = ['Space']").contains("not in keys.fixate"));
        assert!(message("pause = []").contains("keys.pause"));
        assert!(toml::from_str::<Keys>("jump = ['Space']").is_err());
    }
}
