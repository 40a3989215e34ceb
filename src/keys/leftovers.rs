//! Temporary key files of interrupted edits, which contain unused secrets.

use crate::os;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The temporary files of this key file. An edit in progress has one.
///
/// # Errors
/// If the directory can't be read.
pub fn leftovers(path: &Path) -> io::Result<Vec<PathBuf>> {
    // An edit follows a link to the file.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let directory = os::directory_of(&path);
    // As `temporary_beside` names them.
    let is_one = |other: &Path| {
        let is_new = other.extension().is_some_and(|end| end.as_encoded_bytes().starts_with(b"new-"));
        is_new && other.file_stem() == path.file_stem()
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?.path();
        if is_one(&entry) {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_leftover_key_file_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing-keys");
        let left = super::super::temporary_beside(&path).unwrap();
        for path in
            [&path, &left, &directory.path().join("other.new-x"), &directory.path().join("signing-keys.old")]
        {
            fs::write(path, "x").unwrap();
        }
        assert_eq!(leftovers(&path).unwrap().as_slice(), core::slice::from_ref(&left));
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(leftovers(&link).unwrap(), [left]);
    }
}
