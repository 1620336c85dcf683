//! Text inside HTML and XML.

use qecho_packet::text;

/// Makes text harmless inside an element or attribute of HTML and XML 1.0: what has a meaning there
/// has none, and what nobody would see is escaped as on a terminal.
pub fn escaped(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text::shown_lines(text).chars() {
        match character {
            '&' => harmless.push_str("&amp;"),
            '<' => harmless.push_str("&lt;"),
            '>' => harmless.push_str("&gt;"),
            '"' => harmless.push_str("&quot;"),
            '\'' => harmless.push_str("&#39;"),
            // XML has no place for these.
            '\u{fffe}' | '\u{ffff}' => harmless.push(char::REPLACEMENT_CHARACTER),
            other => harmless.push(other),
        }
    }
    harmless
}

/// The same inside an attribute, where readers take what ends a line for a space unless it is
/// escaped (XML 1.0 §3.3.3).
pub(crate) fn escaped_attribute(text: &str) -> String {
    escaped(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_keeps_its_lines() {
        assert_eq!(escaped_attribute("a\n\tb\r"), "a&#10;&#9;b\\r");
    }

    #[test]
    fn what_would_mean_something_means_nothing() {
        let text = "<a href='x'>\"&\0\u{1b}\u{202e}\u{ffff}";
        let expected = "&lt;a href=&#39;x&#39;&gt;&quot;&amp;\\u{0}\\u{1b}\\u{202e}\u{fffd}";
        assert_eq!(escaped(text), expected);
        assert_eq!(escaped("日本 ü\n\t§"), "日本 ü\n\t§");
    }
}
