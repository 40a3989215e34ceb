//! `gatekey tune`: measures password hashes, and recommends their cost for this machine.
//!
//! OWASP's password storage cheat sheet has five settings of scrypt that are equally strong against offline
//! guessing: with less memory there is more work. So the machine decides:
//!
//! 1. A candidate is a setting of which at least one hash fits into the memory. It has as many slots as
//!    fit, at most the number of cores. It is measured with all slots busy.
//! 2. Of the candidates within the target, the one with the most slots wins, then the one with the most
//!    memory, since graphics cards have little memory per core.
//! 3. If none is within the target, the fastest wins, with a warning: a cheaper setting would be weaker,
//!    which is the operator's decision.

use super::cli_error::CliError;
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::hash_time;
use super::options::{self, Options};
use crate::hashing::{self, Hasher};
use crate::json::{Value, json};
use crate::os;
use crate::password::Cost;
use core::cmp::Reverse;
use core::time::Duration;
use std::io::{self, Write as _};
use std::process::ExitCode;

pub(super) const TUNE: Command = Command {
    words: &["tune"],
    operands: &[],
    summary: "Time password hashes on this machine, and print which cost to use.",
    details: "Times OWASP's five scrypt settings, which are equally strong, as far as they fit into the \
              memory, with as many concurrent hashes as fit and as there are cores. Prints the setting \
              within the target that uses the most cores, and of these the one with the most memory; if none \
              is within the target, the fastest, with a warning. Run it under the machine's usual load. It \
              creates and changes nothing.",
    example: "gatekey tune --memory 128M --target 500ms",
    options: &[&[&options::MEMORY, &options::TARGET, &options::JSON]],
    run: Run::Plain(tune),
};

/// OWASP's settings: ln and p, from most to least memory; r is 8.
const SETTINGS: [(u8, u32); 5] = [(17, 1), (16, 2), (15, 3), (14, 5), (13, 10)];
const MIB: u64 = 1 << 20;
/// The maximum of `--hash-slots`.
const MOST_SLOTS: u64 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Measured {
    cost: Cost,
    slots: usize,
    /// The time of a hash with all slots busy.
    time: Duration,
}

fn tune(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let Options { memory, target, json: is_json, .. } = config.options;
    let candidates = candidates(memory, hashing::cores());
    refuse_memory(memory, candidates.is_empty(), os::available_memory())?;
    let mut out = io::stdout().lock();
    let mut all = Vec::new();
    if !is_json {
        out.write_all(row(["SCRYPT", "MEMORY", "SLOTS", "TIME", "LOGINS"].map(String::from)).as_bytes())?;
    }
    for (cost, slots) in candidates {
        let time = hash_time::measure(cost, slots);
        let time = time.ok_or_else(|| CliError::Failed("can't hash a password: no random bytes".into()))?;
        let measured = Measured { cost, slots, time };
        if !is_json {
            // Flushed for each row, since each takes seconds.
            out.write_all(measured.row().as_bytes())?;
            out.flush()?;
        }
        all.push(measured);
    }
    let Some((chosen, is_within)) = choose(&all, target) else { return Ok(ExitCode::FAILURE) };
    if is_json {
        let measured: Vec<_> = all.into_iter().map(Measured::json).collect();
        let max_memory = chosen.max_hash_memory();
        let object = json!({"measured": measured, "chosen": chosen.json(), "within_target": is_within,
                            "max_hash_memory": max_memory});
        writeln!(out, "{object}")?;
    } else {
        out.write_all(advice(chosen, is_within, target).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The candidates, each with its number of slots.
fn candidates(memory: u64, cores: usize) -> Vec<(Cost, usize)> {
    let costs = SETTINGS.iter().filter_map(|(log_n, p)| Cost::new(*log_n, 8, *p).ok());
    let with_slots = costs.map(|cost| {
        let fit = memory.checked_div(cost.memory_bytes()).expect("a hash takes memory").min(MOST_SLOTS);
        (cost, usize::try_from(fit).expect("it is at most MOST_SLOTS").min(cores))
    });
    with_slots.filter(|(_, slots)| *slots > 0).collect()
}

/// Rejects a memory size that no setting fits into, or that the machine doesn't have.
fn refuse_memory(memory: u64, nothing_fits: bool, available: Option<u64>) -> Result<(), CliError> {
    if nothing_fits {
        return Err(CliError::Usage(
            "--memory: no setting fits: the least takes 8M for each hash. One that takes less is weaker, and is not given \
             out here"
                .into(),
        ));
    }
    match available {
        Some(available) if available < memory => Err(CliError::Failed(format!(
            "--memory is {} MiB, and {} MiB are to be had on this machine; give less",
            memory / MIB,
            available / MIB
        ))),
        _ => Ok(()),
    }
}

/// The recommended setting, and whether it is within the target.
fn choose(measured: &[Measured], target: Duration) -> Option<(Measured, bool)> {
    let within = measured.iter().filter(|measured| measured.time <= target);
    let best = within.max_by_key(|measured| (measured.slots, measured.cost.memory_bytes()));
    let fastest = || measured.iter().min_by_key(|measured| (measured.time, Reverse(measured.slots)));
    best.map(|best| (*best, true)).or_else(|| fastest().map(|fastest| (*fastest, false)))
}

fn row([scrypt, memory, slots, time, logins]: [String; 5]) -> String {
    format!("{scrypt:15}  {memory:7}  {slots:5}  {time:8}  {logins}\n")
}

fn advice(chosen: Measured, is_within: bool, target: Duration) -> String {
    let Measured { cost, slots, .. } = chosen;
    let mut text = String::new();
    if !is_within {
        text = format!(
            "\nwarning: no setting is done within {} ms; the fastest is given. One that takes less time would be \
             weaker: where it must be, say so yourself, by a lower p.",
            target.as_millis()
        );
    }
    let max_memory = chosen.max_hash_memory().map(|size| (&options::MAX_HASH_MEMORY, size));
    let given = [(&options::SCRYPT, format!("{cost}")), (&options::HASH_SLOTS, format!("{slots}"))];
    let given: Vec<_> = given.into_iter().chain(max_memory).collect();
    let arguments: Vec<_> =
        given.iter().map(|(option, value)| format!("--{} {value}", option.name)).collect();
    let variables = given.iter().map(|(option, value)| format!("{}={value}\n", option.variable()));
    text + &format!(
        "\n{}\n\nor, in /etc/gatekey.conf:\n\n{}",
        arguments.join(" "),
        variables.collect::<String>()
    )
}

impl Measured {
    fn logins_per_second(self) -> f64 {
        let slots = u32::try_from(self.slots).expect("it is at most MOST_SLOTS");
        (f64::from(slots) / self.time.as_secs_f64().max(f64::MIN_POSITIVE) * 10.0).round() / 10.0
    }

    /// The necessary `--max-hash-memory`, if the default is too low.
    fn max_hash_memory(self) -> Option<String> {
        let bytes = self.cost.memory_bytes();
        (bytes > Hasher::DEFAULT_MAX_MEMORY_BYTES).then(|| format!("{}M", bytes / MIB))
    }

    fn row(self) -> String {
        let (memory, millis) = (self.cost.memory_bytes() / MIB, self.time.as_millis());
        row([
            format!("{}", self.cost),
            format!("{memory} MiB"),
            format!("{}", self.slots),
            format!("{millis} ms"),
            format!("{:.1}/s", self.logins_per_second()),
        ])
    }

    fn json(self) -> Value {
        json!({
            "scrypt": format!("{}", self.cost),
            "memory_bytes": self.cost.memory_bytes(),
            "hash_slots": self.slots,
            "millis": u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX),
            "logins_per_second": self.logins_per_second(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(memory: u64, cores: usize) -> Vec<String> {
        candidates(memory, cores).iter().map(|(cost, slots)| format!("{cost} x{slots}")).collect()
    }

    fn measured(cost: &str, slots: usize, millis: u64) -> Measured {
        Measured { cost: cost.parse().unwrap(), slots, time: Duration::from_millis(millis) }
    }

    #[test]
    fn a_setting_has_as_many_slots_as_fit_into_the_memory_and_as_there_are_cores() {
        let all = ["ln=16,r=8,p=2 x1", "ln=15,r=8,p=3 x2", "ln=14,r=8,p=5 x4", "ln=13,r=8,p=10 x4"];
        assert_eq!(texts(64 * MIB, 4), all);
        assert_eq!(texts(128 * MIB, 1).first().unwrap(), "ln=17,r=8,p=1 x1");
        assert_eq!(texts(128 * MIB - 1, 1).first().unwrap(), "ln=16,r=8,p=2 x1");
        assert_eq!(texts(8 * MIB, 2), ["ln=13,r=8,p=10 x1"]);
        assert_eq!(texts(8 * MIB - 1, 2), [""; 0]);
        assert_eq!(texts(1 << 40, 1_000).first().unwrap(), "ln=17,r=8,p=1 x64");
    }

    #[test]
    fn most_slots_come_first_then_most_memory_and_the_target_before_both() {
        let all = [
            measured("ln=16,r=8,p=2", 1, 200),
            measured("ln=15,r=8,p=3", 2, 260),
            measured("ln=14,r=8,p=5", 2, 250),
            measured("ln=13,r=8,p=10", 2, 240),
        ];
        let chosen = |target| {
            let (chosen, is_within) = choose(&all, Duration::from_millis(target)).unwrap();
            (chosen.cost.to_string(), is_within)
        };
        assert_eq!(chosen(260), ("ln=15,r=8,p=3".into(), true));
        assert_eq!(chosen(259), ("ln=14,r=8,p=5".into(), true));
        assert_eq!(chosen(249), ("ln=13,r=8,p=10".into(), true));
        assert_eq!(chosen(239), ("ln=16,r=8,p=2".into(), true));
        assert_eq!(chosen(199), ("ln=16,r=8,p=2".into(), false), "the fastest, with a warning");
        assert_eq!(choose(&[], Duration::MAX), None);
    }

    #[test]
    fn the_advice_is_what_serve_takes() {
        let target = Duration::from_millis(250);
        let large = measured("ln=17,r=8,p=1", 2, 300);
        let taken = "\n--scrypt ln=17,r=8,p=1 --hash-slots 2 --max-hash-memory 128M\n\nor, in /etc/gatekey.conf:\n\n\
                     GATEKEY_SCRYPT=ln=17,r=8,p=1\nGATEKEY_HASH_SLOTS=2\nGATEKEY_MAX_HASH_MEMORY=128M\n";
        assert_eq!(advice(large, true, target), taken);
        let warned = advice(large, false, target);
        assert!(
            warned.starts_with("\nwarning: no setting is done within 250 ms; ") && warned.ends_with(taken)
        );
        let small = measured("ln=16,r=8,p=2", 1, 250);
        let taken = "\n--scrypt ln=16,r=8,p=2 --hash-slots 1\n\nor, in /etc/gatekey.conf:\n\n\
                     GATEKEY_SCRYPT=ln=16,r=8,p=2\nGATEKEY_HASH_SLOTS=1\n";
        assert_eq!(advice(small, true, target), taken);
        assert_eq!(small.row(), "ln=16,r=8,p=2    64 MiB   1      250 ms    4.0/s\n");
    }

    #[test]
    fn memory_that_holds_nothing_or_is_not_there_is_refused() {
        let refused = |memory, nothing_fits, available| match refuse_memory(memory, nothing_fits, available) {
            Ok(()) => String::new(),
            Err(CliError::Usage(message) | CliError::Failed(message)) => message,
            Err(CliError::Signaled(_) | CliError::OutputClosed) => panic!("nothing is written"),
        };
        assert!(refused(MIB, true, None).starts_with("--memory: no setting fits: the least takes 8M"));
        let message = "--memory is 64 MiB, and 32 MiB are to be had on this machine; give less";
        assert_eq!(refused(64 * MIB, false, Some(32 * MIB)), message);
        assert_eq!(refused(64 * MIB, false, Some(64 * MIB)), "");
        assert_eq!(refused(64 * MIB, false, None), "");
    }
}
