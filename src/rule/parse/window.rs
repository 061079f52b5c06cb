//! Windows in text: when an event must have happened.

use crate::{
    model::calendar::Unit,
    rule::{
        ast::Window,
        parse::{Parsed, Parser},
    },
};

impl Parser<'_> {
    /// Reads a window, if one stands here.
    pub fn window(&mut self) -> Parsed<Option<Window>> {
        let from = self.at;
        if self.is_any(from, &["in", "within"]) {
            return self.rolling_window();
        }
        if self.eat("since") {
            return Ok(Some(Window::Since(self.moment(None)?)));
        }
        if self.eat("before") {
            return Ok(Some(Window::Before(self.moment(None)?)));
        }
        if self.eat("after") {
            return Ok(Some(Window::After(self.moment(None)?)));
        }
        if self.eat("between") {
            let low = self.moment(None)?;
            self.expect_word("and")?;
            let window = Window::Between(low, self.moment(None)?);
            return self.checked_window(window, from).map(Some);
        }
        if self.are(from, &["more", "than"]) {
            self.at += 2;
            let length = self.length()?;
            self.expect_word("ago")?;
            return Ok(Some(Window::MoreThanAgo(length)));
        }
        let during = self.eat("during");
        match self.period() {
            Some(period) => Ok(Some(Window::InPeriod(period))),
            None if during => Err(self.unexpected(["today", "this week", "last month"])),
            None => Ok(None),
        }
    }

    /// Reads `in [the] last N unit`, `in N unit`, `in this month`.
    fn rolling_window(&mut self) -> Parsed<Option<Window>> {
        let after = self.at + 1 + usize::from(self.is(self.at + 1, "the"));
        if self.is(after, "last") {
            self.at = after + 1;
            return Ok(Some(Window::Last(self.length_or_one()?)));
        }
        if self.is(after, "this") {
            self.at = after;
            let period = self.period();
            return period.map(|period| Some(Window::InPeriod(period))).ok_or_else(|| self.unexpected(["this week"]));
        }
        if self.is(after, "next") {
            let message = "an event that has not happened yet does not count, so its window lies behind now";
            return Err(self.error_over(after, after + 1, "syntax", message).expecting(["in last 30 days"]));
        }
        let single = self.word_at(after).and_then(Unit::of_word).is_some();
        let number = self.word_at(after).is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        if !single && !number {
            return Ok(None);
        }
        self.at = after;
        Ok(Some(Window::Last(self.length_or_one()?)))
    }
}
