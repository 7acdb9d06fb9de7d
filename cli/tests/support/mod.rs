//! What a command says, for tests of several commands.

use assert_cmd::Command;

/// Standard output of a command that has to succeed.
pub(crate) fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error, without white space, of a command that has to end with `code`.
pub(crate) fn fails(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{message}");
    // The report wraps long lines, within long words too.
    message
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '│')
        .collect()
}
