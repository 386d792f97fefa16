//! Detects secrets that can be guessed, because they were published, or consist of a few common
//! words or of a pattern.
//!
//! Whoever knows the secret can sign a token for every user and role, and attackers try lists of
//! published secrets first. Owns the list of such secrets and the patterns. Must never refuse the
//! output of a random generator in any encoding; the comment of each check says why it does not.

use crate::secret::Secret;

/// What is wrong with a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It was published in a manual, a template or a playground, or its text says that it is an
    /// example.
    Published,
    /// It consists of words that are common in such secrets.
    Words,
    /// It is a short text that is repeated, or its characters are in the order of the alphabet or
    /// of the keyboard.
    Pattern,
    /// It is long enough, but consists of so few different characters that it may be guessed.
    LowEntropy,
}

/// Secrets from manuals and tutorials, reduced to their letters and digits in lower case. Each is
/// long enough to be accepted otherwise.
const KNOWN: [&str; 9] = [
    // RFC 7515, appendix A.1.
    "aym1sysppbydfgzld3umj1qzkobwvmkoqqestjqlrt1qs0gzh75aktmn3yj0ips4hcguutwjazzr1z9caow",
    // FastAPI's tutorial on OAuth2 with JWT.
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    // Flask's manual.
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "5f352379324c22463451387a0aec5d2f",
    // Tutorials on JWT with Spring Boot, in thousands of copies.
    "404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",
    "586e3272357538782f413f4428472b4b6250645367566b597033733676397924",
    "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
    // Hasura's manual.
    "3ek6fdo0c7tzbnvfjpmkndi2yaraakzqlk8o2ikoxqu4nf7edah8s3twphrwdwt6r",
    // PostgREST's tutorial.
    "reallyreallyreallyreallyverysafe",
];

/// Texts that identify a secret that contains them as an example.
const EXAMPLE_PARTS: [&str; 34] = [
    "yourjwtsecret",
    "yoursecret",
    "yoursupersecret",
    "yourverysecret",
    "your256bitsecret",
    "your384bitsecret",
    "your512bitsecret",
    "yourtopsecret",
    "yoursigningkey",
    "yourprivatekey",
    // jwt.io, old and new.
    "atleast256bit",
    "atleast384bit",
    "atleast512bit",
    "atleast32characters",
    "atleast32chars",
    "atleast32bytes",
    // NestJS's manual: "DO NOT USE THIS VALUE. INSTEAD, CREATE A COMPLEX SECRET …"
    "donotusethis",
    "createacomplexsecret",
    "changeme",
    "changethis",
    "changeinproduction",
    "changeitinproduction",
    "changedinproduction",
    "shouldbechanged",
    "tobechanged",
    "replaceme",
    "replacethis",
    "replacewith",
    "notsosecret",
    "djangoinsecure",
    "somerandomstring",
    "keyboardcat",
    "correcthorsebatterystaple",
    "supersecretkey",
];

/// The words of which example secrets consist, the longest first. A secret that contains almost
/// nothing else is an example.
const WORDS: &str = "application development environment placeholder characters passphrase \
                     production generated signature database generate internal password security \
                     backend default example minimum private refresh service session signing \
                     testing tidings access change cookie enough nestjs please public random \
                     really secret secure server shared string admin local super token value auth \
                     demo here long pass safe shhh test this user very your api jwt key the";

/// Sequences of keys on a keyboard. They are also searched for backwards.
const ROWS: [&str; 5] = [
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
];

/// Returns what is wrong with the secret, if anything. The length is checked elsewhere.
pub fn flaw(secret: &Secret) -> Option<Flaw> {
    let text = secret.trimmed();
    let reduced: String = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if KNOWN.contains(&reduced.as_str()) || EXAMPLE_PARTS.iter().any(|part| reduced.contains(part))
    {
        return Some(Flaw::Published);
    }
    if is_words(&reduced) {
        return Some(Flaw::Words);
    }
    if is_repeated(text.as_bytes()) || is_in_order(text.as_bytes()) {
        return Some(Flaw::Pattern);
    }
    has_low_entropy(text.as_bytes()).then_some(Flaw::LowEntropy)
}

/// Returns whether the secret consists almost only of the [`WORDS`]. Without them, at most 12
/// digits are left, and at most 12 letters, which are at most half of all letters. In random
/// letters, three or four occasionally form a word; in random hexadecimal digits, none do.
fn is_words(reduced: &str) -> bool {
    let mut rest = reduced.to_owned();
    for word in WORDS.split_whitespace() {
        rest = rest.replace(word, " ");
    }
    let letters = |text: &str| text.bytes().filter(u8::is_ascii_alphabetic).count();
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    let (all, left) = (letters(reduced), letters(&rest));
    all >= 12 && left <= 12 && left * 2 <= all && digits <= 12
}

/// Returns whether the text consists of repetitions of one part of fewer than 32 bytes. Random text
/// has no such repetitions. A longer part is not a flaw, because it is a good secret itself.
fn is_repeated(text: &[u8]) -> bool {
    (1..=(text.len() / 2).min(31)).any(|period| {
        text[period..]
            .iter()
            .zip(text)
            .all(|(one, other)| one == other)
    })
}

/// Returns whether at least three quarters of all pairs of adjacent characters are equal, or next
/// to each other in the alphabet or on a keyboard. Of random hexadecimal digits, one pair in five
/// is.
fn is_in_order(text: &[u8]) -> bool {
    let is_neighbor = |one: u8, other: u8| {
        let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
        let on = |row: &&str| {
            row.as_bytes()
                .windows(2)
                .any(|pair| pair == [one, other] || pair == [other, one])
        };
        one.abs_diff(other) <= 1 || ROWS.iter().any(on)
    };
    let neighbors = text
        .windows(2)
        .filter(|pair| is_neighbor(pair[0], pair[1]))
        .count();
    text.len() >= 8 && neighbors * 4 >= (text.len() - 1) * 3
}

/// Returns whether the text has less than 80 bits of entropy, where the probability of each
/// character is its frequency in the text. 32 random digits have about 100 bits.
fn has_low_entropy(text: &[u8]) -> bool {
    let mut counts = [0_u32; 256];
    for &byte in text {
        counts[usize::from(byte)] += 1;
    }
    let all = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let bits: f64 = counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) * (all / f64::from(count)).log2())
        .sum();
    bits < 80.0
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Option<Flaw> {
        flaw(&Secret::new(text))
    }

    #[test]
    fn published_secrets_are_detected() {
        for text in [
            "your-256-bit-secret",
            "a-string-secret-at-least-256-bits-long",
            "a-valid-string-secret-that-is-at-least-384-bits-long",
            "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
            "DO NOT USE THIS VALUE. INSTEAD, CREATE A COMPLEX SECRET AND KEEP IT SAFE OUTSIDE OF \
             THE SOURCE CODE.",
            "your-super-secret-jwt-token-with-at-least-32-characters-long",
            "your-super-secret-jwt-key-change-in-production",
            "YOUR_JWT_SECRET_YOUR_JWT_SECRET_YOUR_JWT_SECRET",
            "please-change-me-please-change-me-please",
            "!ChangeThisMercureHubJWTSecretKey!",
            "reallyreallyreallyreallyverysafe",
            "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
            "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
            "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
            "this-is-a-very-long-secret-key-that-should-be-changed-in-production",
            "my-application-signing-key-change-it-in-production",
        ] {
            assert_eq!(of(text), Some(Flaw::Published), "{text}");
        }
    }

    #[test]
    fn secrets_of_common_words_are_detected() {
        for text in [
            "my-development-secret-key-for-jwt-signing",
            "this-is-a-very-long-secret-key-1234567890",
            "jwt_secret_for_local_testing_please_replace",
            "secretsecretsecretsecretsecretsecret",
            "SuperSecretPassword1234SuperSecretPassword!",
        ] {
            assert_eq!(of(text), Some(Flaw::Words), "{text}");
        }
    }

    #[test]
    fn patterns_are_detected() {
        for text in [
            "a".repeat(64),
            "0".repeat(32),
            "0123456789abcdef".repeat(2),
            "abcdefghijklmnopqrstuvwxyz012345".to_owned(),
            "abcdefghijklmnopqrstuvwxyzabcdefghij".to_owned(),
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".to_owned(),
            "98765432109876543210987654321098".to_owned(),
            "qwertyuiopasdfghjklzxcvbnm1234567890".to_owned(),
            "1qaz2wsx3edc4rfv1qaz2wsx3edc4rfv!".to_owned(),
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb".to_owned(),
            "deadbeef".repeat(8),
            "k3-Xq".repeat(7),
        ] {
            assert_eq!(of(&text), Some(Flaw::Pattern), "{text}");
        }
    }

    #[test]
    fn secrets_of_few_different_characters_are_detected() {
        for text in [
            "abcaabbaccbabcabbacabacbabcabacba",
            "1211211122212111221211212211121211",
            "zzzzzzzzzzzzzzz!zzzzzz?zzzzzzzzz",
        ] {
            assert!(
                matches!(of(text), Some(Flaw::LowEntropy | Flaw::Pattern)),
                "{text}"
            );
        }
        assert_eq!(
            of("8181418414181848114844181848148188"),
            Some(Flaw::LowEntropy)
        );
    }

    #[test]
    fn good_secrets_are_accepted_even_if_they_are_repeated() {
        let good = "nJ4vWq81-Zr0xk_Tg7Lm2Yb9Hc5Pd3Ef6";
        assert_eq!(of(good), None);
        assert_eq!(of(&good.repeat(2)), None);
        assert_eq!(of("tulip gravel onward kestrel mosaic pewter"), None);
        assert_eq!(
            of("prod-secret-9f3Kx71LmQz0aVbT2cYw"),
            None,
            "a random part of 20 characters is enough"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn random_secrets_of_32_bytes_are_accepted_in_every_encoding(bytes in any::<[u8; 32]>()) {
            let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
            let digit = |number: u8| char::from_digit(number.into(), 16).unwrap();
            let hex: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
            let digits: String = bytes.iter().map(|byte| digit(byte % 10)).collect();
            for text in [&base64, &hex, &hex[..32], &digits] {
                prop_assert!(matches!(of(text), None | Some(Flaw::LowEntropy)), "{}", text);
            }
            prop_assert_eq!(of(&base64), None);
        }
    }
}
