//! The binary: hands its arguments to the library, and its exit code to the shell.

#![forbid(unsafe_code)]

/// musl's own allocator is slow under threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tollgate::cli::run()
}
