//! Options of the import of users.

use super::Opt;

pub(in crate::cli) const FORMAT: Opt = Opt {
    name: "format",
    value: Some("sqlite|jsonl|htpasswd"),
    default: None,
    help: "What the file is: the Flask app's database, JSON lines or an htpasswd file. Default: what it looks like.",
};
pub(in crate::cli) const RENAME: Opt = Opt {
    name: "rename",
    value: Some("FILE"),
    default: None,
    help: "Names that are to be others here, as JSON lines: {\"username\":\"a:b\",\"to\":\"a-b\"}, or {\"id\":7,\"to\":\"x\"} \
           for a row without a name or with another row's.",
};
pub(in crate::cli) const DRY_RUN: Opt =
    Opt { name: "dry-run", value: None, default: None, help: "Look at every row, and import none." };
pub(in crate::cli) const SKIP_BAD: Opt = Opt {
    name: "skip-bad",
    value: None,
    default: None,
    help: "Import the other rows where some can't be; those are named all the same.",
};
