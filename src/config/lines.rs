//! Where something stands in a file of settings.

/// The line on which a key stands in the table of this header, such as `[[users]]`, the `nth` of that name from 0 on; that of the header where the
/// key does not stand there. Nothing, if the file has no such table in a section of its own.
#[must_use]
pub fn line_of(text: &str, header: &str, nth: usize, key: &str) -> Option<usize> {
    let mut lines = (1..).zip(text.lines());
    let is_header = |line: &str| bare(line.split('#').next().unwrap_or_default()) == header;
    let (first, _) = lines.by_ref().filter(|(_, line)| is_header(line)).nth(nth)?;
    let within = lines.take_while(|(_, line)| !line.trim_start().starts_with('['));
    let mut found = within.filter(|(_, line)| line.split_once('=').is_some_and(|(word, _)| bare(word) == key));
    Some(found.next().map_or(first, |(line, _)| line))
}

/// A word without blanks and quotation marks.
fn bare(word: &str) -> String {
    word.chars().filter(|letter| !letter.is_whitespace() && !matches!(letter, '"' | '\'')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_own_table() {
        let text = "auth = 'all'\n[[users]] # one\nname = 'a'\n \"to\" = [\n'x']\n[[nodes]]\nkey = 'k'\n[[ users ]]\nkey='=to'\n[jwt]\n";
        let line = |header, nth, key| line_of(text, header, nth, key);
        assert_eq!((line("[[users]]", 0, "name"), line("[[users]]", 0, "to")), (Some(3), Some(4)));
        assert_eq!((line("[[users]]", 0, "key"), line("[[users]]", 1, "key")), (Some(2), Some(9)));
        assert_eq!((line("[[users]]", 2, "key"), line("[jwt]", 0, "public_key")), (None, Some(10)));
    }
}
