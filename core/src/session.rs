//! What a session proves: methods, their strength, and the dated evidence. The record itself is kept by the shell.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod required;

/// How a challenge is met. A method that this build cannot run is a load error where a policy names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A WebAuthn credential with user verification; phishing-resistant.
    Passkey,
    /// A time-based one-time password (RFC 6238).
    Totp,
    /// A code sent by e-mail; shows control of a mailbox, gives no assurance level (NIST SP 800-63B §5.1.3.1).
    EmailCode,
    /// A code sent by SMS.
    SmsCode,
    /// A code spoken by telephone.
    VoiceCode,
    /// An approval in a vendor's app.
    Push,
    /// One of the codes handed out at enrolment, each good once.
    RecoveryCode,
    /// A small computation by the browser; slows robots, proves nothing about a person.
    Pow,
    /// A vendor's test against robots.
    Captcha,
    /// A fresh sign-in at the customer's own identity provider.
    Oidc,
    /// An identity document checked by a vendor.
    IdDocument,
    /// Another person's consent to the exact content.
    Approval,
}

impl Method {
    /// Every method, in the order of this enum.
    pub const ALL: [Method; 12] = [
        Method::Passkey,
        Method::Totp,
        Method::EmailCode,
        Method::SmsCode,
        Method::VoiceCode,
        Method::Push,
        Method::RecoveryCode,
        Method::Pow,
        Method::Captcha,
        Method::Oidc,
        Method::IdDocument,
        Method::Approval,
    ];

    /// The word policies, logs and APIs use.
    pub fn name(self) -> &'static str {
        match self {
            Method::Passkey => "passkey",
            Method::Totp => "totp",
            Method::EmailCode => "email_code",
            Method::SmsCode => "sms_code",
            Method::VoiceCode => "voice_code",
            Method::Push => "push",
            Method::RecoveryCode => "recovery_code",
            Method::Pow => "pow",
            Method::Captcha => "captcha",
            Method::Oidc => "oidc",
            Method::IdDocument => "id_document",
            Method::Approval => "approval",
        }
    }

    /// The method a word names.
    pub fn named(word: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == word)
    }

    /// How strong a proof by this method is when methods are compared: 0 says nothing about a person
    /// (proof of work, CAPTCHA), 1 a mailbox or a number, 2 a possession factor, 3 phishing-resistant. An approval counts
    /// as 2 for what it consents to, and shows nothing of who asked: see [`Method::shows_the_subject`].
    pub fn strength(self) -> u8 {
        match self {
            Method::Pow | Method::Captcha => 0,
            Method::EmailCode | Method::SmsCode | Method::VoiceCode => 1,
            Method::Totp
            | Method::Push
            | Method::RecoveryCode
            | Method::Oidc
            | Method::IdDocument
            | Method::Approval => 2,
            Method::Passkey => 3,
        }
    }

    /// Whether a proof by it says that the subject is there. Somebody else's consent says what may be done, and that whoever
    /// asked has the subject's session; it makes no device known and enrols nothing.
    pub fn shows_the_subject(self) -> bool {
        match self {
            Method::Passkey
            | Method::Totp
            | Method::EmailCode
            | Method::SmsCode
            | Method::VoiceCode
            | Method::Push
            | Method::RecoveryCode
            | Method::Oidc
            | Method::IdDocument => true,
            Method::Pow | Method::Captcha | Method::Approval => false,
        }
    }

    /// Whether a proof by it cannot be had by a page that merely looks like ours (NIST SP 800-63B §5.2.5): the browser binds
    /// a passkey to our name. A code, a confirmation in an app and a person's consent can be asked for by anybody; how an
    /// identity provider is satisfied, it alone knows.
    pub fn is_phishing_resistant(self) -> bool {
        match self {
            Method::Passkey => true,
            Method::Totp
            | Method::EmailCode
            | Method::SmsCode
            | Method::VoiceCode
            | Method::Push
            | Method::RecoveryCode
            | Method::Pow
            | Method::Captcha
            | Method::Oidc
            | Method::IdDocument
            | Method::Approval => false,
        }
    }

    /// The assurance level (1 to 3) that this method lifts a signed-in session to, `None` where it lifts nothing.
    /// Passkey, TOTP, SMS, push, recovery code: AAL2 together with the app's own password (NIST SP 800-63B §4.2). An approval
    /// is somebody else's authenticator, so it lifts nothing, although that was a passkey.
    pub fn assurance(self) -> Option<u8> {
        match self {
            Method::Passkey
            | Method::Totp
            | Method::SmsCode
            | Method::VoiceCode
            | Method::Push
            | Method::RecoveryCode => Some(2),
            Method::Oidc | Method::IdDocument | Method::Approval => None,
            Method::EmailCode | Method::Pow | Method::Captcha => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The recorded, dated evidence that a challenge was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// How it was met.
    pub method: Method,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The event that asked for it.
    pub event: Arc<str>,
    /// Digest of the values it is bound to (see [`crate::decision::Binding`]); `None` where it is bound to none.
    pub bound_to: Option<[u8; 32]>,
    /// Who gave it, where that is somebody else than its subject: the pseudonym of an approver's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<[u8; 16]>,
}

/// How far the clocks of two nodes may differ, in milliseconds: what was made on one of them counts on the other, although
/// it seems to come from the future. Nothing lasts longer than it should by more than this.
pub const CLOCK_SKEW_MS: i64 = 30_000;

impl Proof {
    /// Whether it is at most `fresh_for_ms` old by this clock, that is, [`CLOCK_SKEW_MS`] older at most in truth. A proof
    /// from further in the future, as after a clock was set back, is not.
    pub fn is_fresh(&self, now_ms: i64, fresh_for_ms: i64) -> bool {
        let age_ms = now_ms.saturating_sub(self.at_ms);
        (-CLOCK_SKEW_MS..=fresh_for_ms).contains(&age_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_fresh_up_to_its_age_and_from_the_future_only_as_far_as_clocks_may_differ() {
        let proof = Proof { method: Method::Totp, at_ms: 1_000_000, event: "login".into(), bound_to: None, by: None };
        for (now_ms, fresh) in [
            (1_000_000, true),
            (1_120_000, true),
            (1_120_001, false),
            (970_000, true),
            (969_999, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            assert_eq!(proof.is_fresh(now_ms, 120_000), fresh, "at {now_ms}");
        }
    }

    #[test]
    fn every_method_is_found_by_its_name() {
        for method in Method::ALL {
            assert_eq!(Method::named(method.name()), Some(method));
        }
        assert_eq!(Method::named("Passkey"), None);
    }
}
