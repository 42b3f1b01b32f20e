//! What can be said to `tollgate user`.

use clap::{Args as ClapArgs, Subcommand};

use super::ImportArgs;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user, with an account of their own
    #[command(
        after_help = "Examples:\n  tollgate user create --email ada@example.com --name Ada          (sets a password by 'forgot')\n  printf %s \"$PASSWORD\" | tollgate user create --email ada@example.com --verified --password -"
    )]
    Create {
        /// The e-mail address; it, or --phone, must be given
        #[arg(long)]
        email: Option<String>,
        /// The phone number: +4915123456789
        #[arg(long)]
        phone: Option<String>,
        /// What they are called (default: what stands before the @, or the number)
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: UserSettings,
        /// They may administrate the whole server
        #[arg(long)]
        admin: bool,
        /// Print the id alone
        #[arg(short, long)]
        quiet: bool,
    },
    /// Print a link by which somebody becomes the first administrator, in a browser and once; the server says one at its start, too
    #[command(after_help = "Asks the running server. Whatever link there was before counts no more.")]
    First {
        /// Print the link alone
        #[arg(short, long)]
        quiet: bool,
    },
    /// List users
    List {
        /// Only those whose id it is, or whose name, address or number holds it
        #[arg(long)]
        search: Option<String>,
    },
    /// Show one user: where they belong to, and how they sign in
    Show {
        /// A number
        id: String,
    },
    /// Change a user; what is not named stays, what is given empty is taken away
    #[command(
        after_help = "Examples:\n  tollgate user set 42 --disable                  (signs them out everywhere)\n  tollgate user set 42 --no-second-factor         (for somebody who lost it)"
    )]
    Set {
        /// A number
        id: String,
        /// Another name
        #[arg(long)]
        name: Option<String>,
        /// Another e-mail address; without --verified a link is sent to it, and it counts once that was opened
        #[arg(long)]
        email: Option<String>,
        /// Another phone number; the same with a code
        #[arg(long)]
        phone: Option<String>,
        #[command(flatten)]
        settings: UserSettings,
        /// Switch them off: from the very next request on they are signed out
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// Switch them on again
        #[arg(long)]
        enable: bool,
        /// They may administrate the whole server
        #[arg(long, conflicts_with = "no_admin")]
        admin: bool,
        /// They may not, any more
        #[arg(long)]
        no_admin: bool,
        /// Take the second factor away
        #[arg(long)]
        no_second_factor: bool,
        /// Sign them out everywhere
        #[arg(long)]
        sign_out: bool,
    },
    /// Delete a user: their id stays, and nothing personal; accounts that are theirs alone are closed
    #[command(after_help = "Example:\n  tollgate user delete 42")]
    Delete {
        /// A number
        id: String,
    },
    /// Bring users along from elsewhere, with bcrypt, Argon2 and scrypt hashes, all or nothing: JSON lines or CSV; docs/import.md says how
    #[command(
        after_help = "Example:\n  echo '{\"email\": \"ada@example.com\", \"password_hash\": \"$2b$12$…\", \"verified\": true}' | tollgate user import -"
    )]
    Import(ImportArgs),
}

/// What can be set of a user.
#[derive(Debug, ClapArgs)]
pub struct UserSettings {
    /// `-`: a password, read from stdin; it ends every session
    #[arg(long, value_name = "-")]
    pub password: Option<String>,
    /// Address and number are theirs: nothing is sent to prove it
    #[arg(long)]
    pub verified: bool,
}
