//! The binary: arguments and environment go in, an exit status comes out; everything between is the library.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    gatekey::cli::run(env::args_os().skip(1), &|variable| env::var_os(variable))
}
