//! `gatekey tune`: its output configures `serve`. Times depend on the machine and are not checked.

use crate::process::{Server, gatekey, run, written};
use gatekey::json;

#[test]
fn the_output_of_tune_configures_serve() {
    let mut command = gatekey();
    // The least memory: one setting, with one slot, wherever this runs.
    let (code, out, message) = written(&run(command.args(["tune", "--memory", "8M", "--target", "60s"]), ""));
    assert_eq!((code, message.as_str()), (Some(0), ""));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], "SCRYPT           MEMORY   SLOTS  TIME      LOGINS");
    assert!(lines[1].starts_with("ln=13,r=8,p=10   8 MiB    1      "), "{out}");
    assert_eq!(
        lines[2..7],
        ["", "--scrypt ln=13,r=8,p=10 --hash-slots 1", "", "or, in /etc/gatekey.conf:", ""]
    );
    let directory = tempfile::tempdir().unwrap();
    let options: Vec<_> = lines[3].split(' ').collect();
    let server = Server::start_in(directory.path().join("data"), &options);
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(lines[7..], ["GATEKEY_SCRYPT=ln=13,r=8,p=10", "GATEKEY_HASH_SLOTS=1"]);
}

#[test]
fn tune_json_reports_a_missed_target() {
    let mut command = gatekey();
    let (code, out, _) =
        written(&run(command.args(["tune", "--json", "--memory", "8M", "--target", "1ms"]), ""));
    assert_eq!(code, Some(0));
    let object = json::parse_object(out.trim_end().as_bytes()).unwrap();
    assert_eq!((&object["within_target"], &object["max_hash_memory"]), (&false.into(), &json::Value::Null));
    let chosen = &object["chosen"];
    assert_eq!((&chosen["scrypt"], &chosen["hash_slots"]), (&"ln=13,r=8,p=10".into(), &1.into()));
    assert_eq!(chosen["memory_bytes"], 8 << 20);
    assert_eq!(object["measured"].as_array().unwrap().as_slice(), std::slice::from_ref(chosen));
}

#[test]
fn tune_rejects_memory_below_one_hash() {
    let (code, out, message) = written(&run(gatekey().args(["tune", "--memory", "8191K"]), ""));
    let expected = "gatekey: --memory: no setting fits: the least takes 8M for each hash. One that takes less is \
                    weaker, and is not given out here\n";
    assert_eq!((code, out.as_str(), message.as_str()), (Some(2), "", expected));
    let (code, _, message) = written(&run(gatekey().args(["tune", "--target", "2m"]), ""));
    let expected =
        "gatekey: invalid value \"2m\" (--target): expected a duration up to a minute, such as 250ms or 1s\n";
    assert_eq!((code, message.as_str()), (Some(2), expected));
}
