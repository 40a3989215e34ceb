//! What a check found, as a line for people and as an object for programs.

use crate::json::{Value, json};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Ok,
    /// It works, and something should be done.
    Warning,
    /// It doesn't work, or lets strangers in.
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

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// What is the case.
    pub(super) says: String,
    /// What to do; nothing where all is well.
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

    /// For people: a line, and one below it that says what to do.
    pub(super) fn text(&self, check: &str) -> String {
        let Self { severity, says, advice } = self;
        let line = format!("{:8} {check:10} {says}\n", severity.name());
        let advice = advice.as_ref().map(|advice| format!("{:20}{advice}\n", ""));
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
