//! Finding of a check: its severity, a text and advice.

use crate::json::{Value, json};
use crate::server::log;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Ok,
    /// The server works, and the operator should change something.
    Warning,
    /// The server doesn't work, or is insecure.
    Failure,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) says: String,
    /// What to do; `None` if the severity is ok.
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(says: impl Into<String>) -> Self {
        Self { severity: Severity::Ok, says: says.into(), advice: None }
    }

    pub(super) fn warning(says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, says: says.into(), advice: Some(advice.into()) }
    }

    pub(super) fn failure(says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Failure, says: says.into(), advice: Some(advice.into()) }
    }

    /// One line, and a second one with the advice.
    pub(super) fn text(&self, check: &str) -> String {
        let Self { severity, says, advice } = self;
        let says = log::one_line(says);
        let line = format!("{:8} {check:10} {says}\n", severity.name());
        let advice = advice.as_ref().map(|advice| format!("{:20}{}\n", "", log::one_line(advice)));
        line + &advice.unwrap_or_default()
    }

    pub(super) fn json(&self, check: &str) -> Value {
        json!({"check": check, "verdict": self.severity.name(), "says": self.says, "do": self.advice})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_or_two_and_an_object() {
        let fine = Finding::ok("sound");
        assert_eq!(fine.text("database"), "ok       database   sound\n");
        assert_eq!(
            fine.json("database"),
            json!({"check": "database", "verdict": "ok", "says": "sound", "do": null})
        );
        let bad = Finding::failure("the disk is full", "make room");
        assert_eq!(
            bad.text("space"),
            "failure  space      the disk is full\n                    make room\n"
        );
        assert_eq!(bad.json("space")["do"], "make room");
        assert_eq!(Finding::warning("a", "b").json("x")["verdict"], "warning");
    }
}
