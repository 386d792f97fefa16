//! The standard variables of OpenTelemetry that determine whether and where traces are sent.

/// Returns the address to which traces are sent, according to the variables that `variable`
/// returns. `None` means that no traces are sent.
pub(crate) fn endpoint(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is = |name, value| variable(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
        let all = variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        Some(format!("{}/v1/traces", all.trim_end_matches('/')))
    })
}

/// Returns a variable of the process. An empty variable counts as not set.
///
/// The SDK itself reads most of these variables from the environment, so they can't be settings in
/// `.env` or `tidings.toml`.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_to(set: &[(&str, &str)]) -> Option<String> {
        endpoint(|name| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn only_an_endpoint_for_all_signals_gets_the_path_of_traces() {
        let (all, traces) = (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        );
        assert_eq!(
            sent_to(&[(all, "http://c:4318")]).unwrap(),
            "http://c:4318/v1/traces"
        );
        assert_eq!(
            sent_to(&[(all, "http://c:4318/otlp/")]).unwrap(),
            "http://c:4318/otlp/v1/traces"
        );
        assert_eq!(
            sent_to(&[(all, "http://c:4318"), (traces, "http://t/x")]).unwrap(),
            "http://t/x"
        );
    }

    #[test]
    fn nothing_is_sent_without_an_endpoint_or_if_traces_are_off() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        assert_eq!(sent_to(&[]), None);
        assert_eq!(sent_to(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        assert_eq!(sent_to(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]), None);
        assert!(
            sent_to(&[
                endpoint,
                ("OTEL_SDK_DISABLED", "false"),
                ("OTEL_TRACES_EXPORTER", "otlp")
            ])
            .is_some()
        );
    }
}
