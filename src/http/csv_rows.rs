//! Rows of CSV (RFC 4180), appended to a block as they are made.

use std::borrow::Cow;

/// Rows at the end of a block; all of them stand there once this is dropped.
pub(super) struct Rows<'a>(csv::Writer<&'a mut Vec<u8>>);

impl Rows<'_> {
    /// Goes on at the end of a block. One for many rows: each brings a buffer of its own.
    pub(super) fn on(block: &mut Vec<u8>) -> Rows<'_> {
        Rows(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(block))
    }

    /// The next cell of the row, as it is.
    pub(super) fn cell(&mut self, text: &str) {
        self.0.write_field(text).expect("writing to memory cannot fail");
    }

    /// The next cell, of a text that somebody else wrote: what a spreadsheet would run as a formula is disarmed.
    pub(super) fn text(&mut self, text: &str) {
        self.cell(&guarded(text));
    }

    /// Ends the row.
    pub(super) fn end(&mut self) {
        self.0.write_record(None::<&[u8]>).expect("writing to memory cannot fail");
    }
}

/// A text that a spreadsheet would run as a formula is quoted with an apostrophe.
///
/// Source: OWASP, CSV injection.
fn guarded(text: &str) -> Cow<'_, str> {
    let risky = ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＋', '－', '＠'];
    if text.starts_with(risky) && text.parse::<f64>().is_err() { format!("'{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_disarmed_and_numbers_are_not() {
        assert_eq!(guarded("=1+1"), "'=1+1");
        assert_eq!(guarded("@home"), "'@home");
        assert_eq!(guarded("-3.5"), "-3.5");
        assert_eq!(guarded("+49"), "+49");
        assert_eq!(guarded("plain"), "plain");
    }

    #[test]
    fn rows_go_behind_what_is_there_and_cells_that_need_it_are_quoted() {
        let mut block = b"key,a\r\n".to_vec();
        let mut rows = Rows::on(&mut block);
        for cells in [["u-1", "x,y"], ["say \"hi\"", "@x"], ["", "two\nlines"]] {
            rows.cell(cells[0]);
            rows.text(cells[1]);
            rows.end();
        }
        drop(rows);
        let told = "key,a\r\nu-1,\"x,y\"\r\n\"say \"\"hi\"\"\",'@x\r\n,\"two\nlines\"\r\n";
        assert_eq!(String::from_utf8(block).unwrap(), told);
    }
}
