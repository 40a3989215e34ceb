//! Options that say where the data lies, and what a command reads and prints.

use super::opt::Opt;

pub(in crate::cli) const DATA: Opt = Opt {
    name: "data",
    value: Some("DIR"),
    default: Some("./gatekey-data"),
    help: "The data directory, with the database and, unless --key-file is set, the signing keys.",
};
pub(in crate::cli) const KEY_FILE: Opt = Opt {
    name: "key-file",
    value: Some("FILE"),
    default: None,
    help: "The file with the signing keys, if it is not in the data directory: one secret per line, the \
           newest last.",
};
pub(in crate::cli) const NEW_DATABASE: Opt = Opt {
    name: "new-database",
    value: None,
    default: None,
    help: "Create a new database although signing keys exist. Without this option that is rejected, because \
           old tokens signed with these keys would authenticate as new users. For the first start with keys \
           of your own.",
};
pub(in crate::cli) const PASSWORD_STDIN: Opt = Opt {
    name: "password-stdin",
    value: None,
    default: None,
    help: "Read the password from the first line of standard input, instead of asking for it.",
};
pub(in crate::cli) const JSON: Opt =
    Opt { name: "json", value: None, default: None, help: "Print JSON, for programs." };
