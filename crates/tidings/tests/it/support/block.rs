//! A block of an event stream as it was on the wire, byte by byte. Unlike a decoder, this tolerates
//! no deviation.

/// The fields `event`, `retry`, `data` and `id`, in this order and each at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) data: String,
}

impl Block {
    /// Every block of a body. Fails the test unless each line is one that our server writes.
    pub(crate) fn all(body: &str) -> Vec<Self> {
        assert!(!body.starts_with('\u{FEFF}'), "a byte order mark");
        assert!(
            !body.contains('\r'),
            "a line ends by something else than a line feed"
        );
        let (whole, rest) = body.rsplit_once("\n\n").unwrap_or_default();
        assert!(
            rest.chars().all(|char| ":\n".contains(char)),
            "half a block: {rest:?}"
        );
        whole
            .split("\n\n")
            .filter(|block| !block.is_empty())
            .map(Self::parse)
            .collect()
    }

    fn parse(block: &str) -> Self {
        let mut lines = block.lines().skip_while(|line| *line == ":").peekable();
        let mut field = |name: &str| {
            let line = lines.next_if(|line| line.starts_with(&format!("{name}: ")))?;
            Some(line[name.len() + 2..].to_owned())
        };
        let event = field("event").unwrap_or_else(|| panic!("an event without a name: {block:?}"));
        let retry = field("retry").map(|retry| retry.parse().unwrap());
        let data = field("data").unwrap_or_else(|| panic!("an event without data: {block:?}"));
        let id = field("id");
        assert_eq!(lines.next(), None, "a line too much: {block:?}");
        if let Some(id) = &id {
            let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            assert!(
                !id.is_empty() && id.len() <= 64 && id.bytes().all(safe),
                "{id:?}"
            );
        }
        let json: serde_json::Value = serde_json::from_str(&data).expect("data is JSON");
        assert_eq!(data.len(), json.to_string().len(), "not compact: {data}");
        assert!(data.len() <= 251 << 10, "{} bytes of data", data.len());
        if retry.is_some() {
            assert_eq!(
                json["retry"].as_u64(),
                retry,
                "what is hidden from some clients is not in the data: {block:?}"
            );
        }
        Self {
            event,
            id,
            retry,
            data,
        }
    }
}
