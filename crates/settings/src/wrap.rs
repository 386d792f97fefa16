//! Wraps text for the documents that are generated from the table of settings.

/// Breaks a text into lines of at most `width` characters, at the spaces between words. A longer
/// word has a line of its own.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Breaks a text into the lines of a comment, each of which begins with `# ` and has at most 100
/// characters.
pub fn comment(text: &str) -> String {
    const WIDTH: usize = 98;
    wrap(text, WIDTH)
        .iter()
        .flat_map(|line| ["# ", line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_none_is_lost() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("endlessly long", 4), ["endlessly", "long"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
        assert_eq!(comment("a b"), "# a b\n");
    }
}
