//! The program `mpong`.

use std::process::ExitCode;

/// Training takes and gives back large blocks all the time, which the system's allocator hands to the system each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(mental_pong::main(std::env::args_os()))
}
