//! The program `mpong`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(mental_pong::main(std::env::args_os()))
}
