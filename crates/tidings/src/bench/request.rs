//! A request that is sent many times with other values in its placeholders, written without a
//! client library.

use anyhow::{bail, ensure};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING,
    USER_AGENT,
};
use http::{HeaderName, HeaderValue, Method, Uri};
use tidings_client::Address;

use super::template::{Context, Template, Values, Variable};

/// A request that is complete except for its placeholders. Contains a token, so it has no `Debug`.
pub(super) struct Request {
    method: Method,
    address: Address,
    path: Path,
    /// All lines after the request line, except for the length.
    headers: Template,
    body: Option<Template>,
}

enum Path {
    /// The same in every request.
    Fixed(String),
    /// A path with placeholders.
    Template(Template),
}

/// A header: its name, and its value with placeholders.
#[derive(Clone)]
pub(super) struct Header {
    name: HeaderName,
    value: Template,
}

impl Header {
    pub(super) fn new(name: HeaderName, value: &str) -> anyhow::Result<Self> {
        let value = Template::parse(value);
        let sample = HeaderValue::from_str(&value.fill(&Values::default(), Context::Plain));
        ensure!(
            sample.is_ok(),
            "the value of the header {name} contains characters that are not allowed there"
        );
        if [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(&name) {
            bail!(
                "the header {name} can't be set: this command itself sets connections and lengths"
            );
        }
        Ok(Self { name, value })
    }

    /// Parses `Name: value`.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let parts = text
            .split_once(':')
            .map(|(name, value)| (name.parse::<HeaderName>(), value.trim()));
        let Some((Ok(name), value)) = parts else {
            bail!("a header looks like 'Name: value', not like '{text}'")
        };
        Self::new(name, value)
    }

    pub(super) fn is(&self, name: &HeaderName) -> bool {
        self.name == *name
    }
}

impl Request {
    /// Returns the request for a stream.
    pub(super) fn get(address: &Address, path: &str, headers: Vec<Header>) -> anyhow::Result<Self> {
        let defaults = [(ACCEPT, "text/event-stream"), (CACHE_CONTROL, "no-store")];
        Self::new(Method::GET, address, path, headers, &defaults, None)
    }

    /// Returns the request for a publish.
    pub(super) fn post(
        address: &Address,
        path: &str,
        headers: Vec<Header>,
        body: &str,
    ) -> anyhow::Result<Self> {
        let defaults = [
            (ACCEPT, "application/json"),
            (CONTENT_TYPE, "application/json"),
        ];
        Self::new(
            Method::POST,
            address,
            path,
            headers,
            &defaults,
            Some(Template::parse(body)),
        )
    }

    /// Builds a request. `headers` replace those of `defaults` with the same name.
    fn new(
        method: Method,
        address: &Address,
        path: &str,
        headers: Vec<Header>,
        defaults: &[(HeaderName, &str)],
        body: Option<Template>,
    ) -> anyhow::Result<Self> {
        let template = Template::parse(path);
        let sample = address.at(&template.fill(&Values::default(), Context::Path))?;
        let path = if template.is_fixed() {
            Path::Fixed(target(&sample))
        } else {
            Path::Template(template)
        };
        let agent = concat!("tidings/", env!("CARGO_PKG_VERSION"));
        let host = sample
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        let mut lines = Template::default();
        for (name, value) in defaults
            .iter()
            .chain(&[(HOST, &*host), (USER_AGENT, agent)])
        {
            if !headers.iter().any(|header| header.is(name)) {
                lines.push(&format!("{name}: {value}\r\n"));
            }
        }
        for Header { name, value } in headers {
            lines.push(&format!("{name}: "));
            lines.append(value);
            lines.push("\r\n");
        }
        Ok(Self {
            method,
            address: address.clone(),
            path,
            headers: lines,
            body,
        })
    }

    /// Returns whether path, headers or body contain the variable.
    pub(super) fn names(&self, variable: Variable) -> bool {
        self.targets_by(variable) || self.headers.names(variable)
    }

    /// Returns whether path or body contain the variable. Headers do not count: they identify the
    /// caller, not the streams that a publish should reach.
    pub(super) fn targets_by(&self, variable: Variable) -> bool {
        let path = matches!(&self.path, Path::Template(path) if path.names(variable));
        path || self.body.as_ref().is_some_and(|body| body.names(variable))
    }

    /// Appends the whole request to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>, values: &Values) {
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        match &self.path {
            Path::Fixed(path) => out.extend_from_slice(path.as_bytes()),
            Path::Template(path) => {
                let filled = self.address.at(&path.fill(values, Context::Path));
                // Can't fail: it differs from the sample, which was valid, only in digits and
                // escaped tokens.
                out.extend_from_slice(
                    filled
                        .map(|uri| target(&uri))
                        .unwrap_or_default()
                        .as_bytes(),
                );
            }
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        self.headers.write(out, values, Context::Plain);
        if let Some(body) = &self.body {
            let mut filled = Vec::with_capacity(256);
            body.write(&mut filled, values, Context::Plain);
            out.extend_from_slice(format!("content-length: {}\r\n\r\n", filled.len()).as_bytes());
            out.extend_from_slice(&filled);
        } else {
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Returns the request target, which stands in the first line of a request.
fn target(uri: &Uri) -> String {
    uri.path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: &Request) -> String {
        let mut out = Vec::new();
        request.write(
            &mut out,
            &Values {
                number: 7,
                user: 3,
                room: 1,
                time: 99,
            },
        );
        String::from_utf8(out).unwrap()
    }

    fn address() -> Address {
        "http://h:1/api/".parse().unwrap()
    }

    #[test]
    fn given_headers_replace_the_defaults_of_a_stream() {
        let headers = vec![
            Header::parse("X-Number: {n}").unwrap(),
            Header::parse("cache-control:no-cache").unwrap(),
        ];
        insta::assert_snapshot!(
            written(&Request::get(&address(), "/a/{room}?b=c d", headers).unwrap()).replace('\r', "").replace(env!("CARGO_PKG_VERSION"), "V"),
            @r"
        GET /api/a/1?b=c%20d HTTP/1.1
        accept: text/event-stream
        host: h:1
        user-agent: tidings/V
        x-number: 7
        cache-control: no-cache
        "
        );
    }

    #[test]
    fn a_publish_contains_the_length_of_its_body() {
        let request = Request::post(&address(), "/p", Vec::new(), r#"{"ts":{ts}}"#).unwrap();
        let text = written(&request);
        assert!(text.starts_with("POST /api/p HTTP/1.1\r\n"), "{text}");
        assert!(
            text.ends_with("content-length: 9\r\n\r\n{\"ts\":99}"),
            "{text}"
        );
        assert!(request.targets_by(Variable::Time) && !request.names(Variable::User));
    }

    #[test]
    fn headers_and_paths_that_would_break_the_request_are_refused() {
        for text in [
            "",
            "a",
            ": b",
            "a b: c",
            "a: b\r\nc: d",
            "Content-Length: 5",
            "connection: close",
        ] {
            assert!(Header::parse(text).is_err(), "{text}");
        }
        assert!(Request::get(&address(), "nope", Vec::new()).is_err());
    }
}
