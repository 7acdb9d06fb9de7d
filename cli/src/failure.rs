//! Errors as a person reads them, and their exit codes.

use std::io::Write as _;

use mental_pong_base::IoError;
use mental_pong_eval::error::Error as EvalError;
use mental_pong_formats::one_line;
use mental_pong_game::Error as GameError;
use mental_pong_predictor::Error as PredictorError;
use mental_pong_study::error::Error as StudyError;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Check(String),
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    File(#[from] IoError),
    #[error(transparent)]
    Game(#[from] GameError),
    #[error(transparent)]
    Predictor(#[from] PredictorError),
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error(transparent)]
    Study(#[from] StudyError),
    #[error("standard output: {0}")]
    Output(#[source] std::io::Error),
    #[error("{0}")]
    Resumable(String),
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// Exit code: 1 a check said no, 2 bad input, 3 internal, 4 the machine refused, 75 stopped and resumable.
    fn code(&self) -> u8 {
        match self {
            _ if refused(self) => 4,
            Self::Check(_) => 1,
            Self::Resumable(_) => 75,
            Self::Usage(_) | Self::File(_) => 2,
            Self::Game(e) => game_code(e),
            Self::Predictor(e) => predictor_code(e),
            Self::Eval(e) => eval_code(e),
            Self::Study(e) if e.is_interrupted() => 75,
            Self::Study(StudyError::Game(e)) => game_code(e),
            Self::Study(StudyError::Predictor(e)) => predictor_code(e),
            Self::Study(StudyError::Eval(e)) => eval_code(e),
            Self::Study(_) => 2,
            Self::Output(_) | Self::Internal(_) => 3,
        }
    }

    /// Prints the error and gives its exit code. A reader that closed the pipe is no error.
    pub(crate) fn report(self) -> u8 {
        if let Self::Output(error) = &self
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            return 0;
        }
        let code = self.code();
        let report = miette::miette!("{}", plain(&self.to_string()));
        // The last words: nothing is left to do if standard error is gone.
        let _ = writeln!(std::io::stderr(), "{report:?}");
        code
    }
}

/// Most characters of a line of a message.
const LINE: usize = 2000;

/// A message whose lines are bounded and do nothing to a terminal, whatever a file made it quote.
pub(crate) fn plain(text: &str) -> String {
    let lines = text.split('\n').map(|line| one_line(line, LINE));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether the machine refused: no room, no permission, no memory.
fn refused(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{
        FileTooLarge, OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let error = error.downcast_ref::<std::io::Error>();
        error.is_some_and(|error| {
            matches!(
                error.kind(),
                FileTooLarge
                    | OutOfMemory
                    | PermissionDenied
                    | QuotaExceeded
                    | ReadOnlyFilesystem
                    | StorageFull
            )
        })
    })
}

fn game_code(error: &GameError) -> u8 {
    match error {
        GameError::Interrupted { .. } => 75,
        GameError::Encode { .. } => 3,
        GameError::MissingShards { .. } => 1,
        _ => 2,
    }
}

fn eval_code(error: &EvalError) -> u8 {
    match error {
        EvalError::Interrupted => 75,
        EvalError::Game(e) => game_code(e),
        EvalError::Factorisation { .. } => 3,
        _ => 2,
    }
}

fn predictor_code(error: &PredictorError) -> u8 {
    match error {
        PredictorError::Interrupted => 75,
        PredictorError::Game(e) => game_code(e),
        PredictorError::Tensor(_) | PredictorError::Diverged { .. } => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_message_is_bounded_and_harmless() {
        let said = plain(&format!("a\u{1b}[2Jb\n{}", "x".repeat(5000)));
        let lines: Vec<&str> = said.split('\n').collect();
        assert_eq!(lines[0], "a\\u{1b}[2Jb");
        assert_eq!(lines[1].chars().count(), LINE + 1);
    }

    #[test]
    fn what_the_machine_refuses_ends_with_four_and_what_the_user_got_wrong_with_two() {
        let io = |kind: ErrorKind| IoError::on("write", "a/b")(Error::from(kind));
        for kind in [
            ErrorKind::StorageFull,
            ErrorKind::PermissionDenied,
            ErrorKind::ReadOnlyFilesystem,
        ] {
            assert_eq!(Failure::File(io(kind)).code(), 4, "{kind}");
            assert_eq!(Failure::Game(GameError::Io(io(kind))).code(), 4, "{kind}");
            let inner = PredictorError::Game(GameError::Io(io(kind)));
            assert_eq!(
                Failure::Study(StudyError::Predictor(inner)).code(),
                4,
                "{kind}"
            );
        }
        assert_eq!(Failure::File(io(ErrorKind::NotFound)).code(), 2);
        assert_eq!(
            Failure::Output(Error::from(ErrorKind::StorageFull)).code(),
            4
        );
    }
}
