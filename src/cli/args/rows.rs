//! What is said of files of rows, to be imported or exported.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

/// What is imported.
#[derive(Debug, ClapArgs)]
pub struct ImportArgs {
    /// The file; a dash: stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How its rows are written [default: by the file's name, else by its first byte]
    #[arg(long)]
    pub format: Option<RowFormat>,
}

/// What is exported, and where to.
#[derive(Debug, ClapArgs)]
pub struct ExportArgs {
    /// Only this account, or what is of it
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// How rows are written [default: by the name of --output, else jsonl]
    #[arg(long)]
    pub format: Option<RowFormat>,
    /// A new file, for its owner alone; without it: stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// A JSON object a line
    Jsonl,
    /// A table, the first row naming the fields
    Csv,
}

impl RowFormat {
    /// By the name of a file.
    pub fn of_file(path: &std::path::Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// As the admin API calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}
