//! `throng man`: the manual pages, made from what `--help` says.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory};

use crate::cli::{Cli, failure::Failure, segment::pour};

/// Print the manual page, or write those of all subcommands to a folder.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  throng man | man -l -\n  throng man --dir /usr/local/share/man/man1")]
pub struct Man {
    /// Write throng.1, throng-serve.1 and so on into this folder.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    /// Does what was asked.
    ///
    /// Errors: a folder that cannot be written to.
    pub fn run(self) -> Result<(), Failure> {
        let told = |error: std::io::Error| Failure::operator(error.to_string());
        match self.dir {
            Some(dir) => {
                fs::create_dir_all(&dir).map_err(told)?;
                clap_mangen::generate_to(Cli::command(), &dir)
                    .map_err(|error| Failure::operator(format!("{}: {error}", dir.display())))
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(told)?;
                pour(page.as_slice())
            }
        }
    }
}
