//! Options of the import of users.

use super::opt::Opt;

pub(in crate::cli) const FORMAT: Opt = Opt {
    name: "format",
    value: Some("sqlite|jsonl|json|htpasswd"),
    default: None,
    help: "The format of the file: the Flask app's database, JSON lines, a JSON array as Django's \
           dumpdata writes it, or an htpasswd file. Default: detected.",
};
pub(in crate::cli) const RENAME: Opt = Opt {
    name: "rename",
    value: Some("FILE"),
    default: None,
    help: "A file of JSON lines with new names for users: {\"username\":\"a:b\",\"to\":\"a-b\"}, or \
           {\"id\":7,\"to\":\"x\"} for a row without a name or with a duplicate one.",
};
pub(in crate::cli) const DRY_RUN: Opt =
    Opt { name: "dry-run", value: None, default: None, help: "Check every row, and import none." };
pub(in crate::cli) const SKIP_BAD: Opt = Opt {
    name: "skip-bad",
    value: None,
    default: None,
    help: "Import the other rows if some are rejected; those are reported.",
};
