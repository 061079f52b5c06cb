//! Operands in JSON: values by type, dates, instants, lengths, periods.

use crate::{
    model::{
        calendar::{Length, Period, Unit},
        currency::Currency,
        number::Number,
        time::{Day, Timestamp},
        value::ValueType,
    },
    rule::{
        ast::{Moment, Operand},
        check,
        json::Value,
        json_in::{At, Reader},
        parse::{Parsed, test::Subject},
        suggest,
    },
};

impl<'a> Reader<'a> {
    /// Reads an operand of the subject's type.
    pub fn operand(&self, at: &At<'a>, subject: &Subject<'_>) -> Parsed<Operand> {
        let operand = match (subject.ty, &at.json.value) {
            (ValueType::Text | ValueType::Email | ValueType::Category | ValueType::Set, Value::Text(text)) => {
                Operand::Text(text.clone())
            }
            (ValueType::Boolean, Value::Flag(flag)) => Operand::Flag(*flag),
            (ValueType::Number, Value::Number(number)) => Operand::Number(self.number(at, number)?),
            (ValueType::Money(currency), Value::Number(number)) => self.money(at, number, currency)?,
            (ValueType::Money(currency), Value::Text(number)) => self.money(at, number, currency)?,
            (ValueType::Timestamp | ValueType::Date, Value::Object(_) | Value::Text(_)) => match self.moment(at)? {
                Moment::Date(day) => Operand::Date(day),
                Moment::Instant(instant) => Operand::Instant(instant),
            },
            _ => {
                let error = check::test::wrong_operand(subject.name, subject.ty, at.json.kind());
                return Err(self.place(error, at));
            }
        };
        let fits = check::test::operand(subject.name, subject.ty, &operand);
        fits.map_err(|error| self.place(error, at))?;
        Ok(operand)
    }

    fn number(&self, at: &At<'a>, number: &str) -> Parsed<Number> {
        Number::parse(number).map_err(|error| self.error(at, "bad_number", format!("{number} {error}")))
    }

    fn money(&self, at: &At<'a>, amount: &str, currency: Currency) -> Parsed<Operand> {
        let minor = currency.parse_minor(amount);
        let minor = minor.map_err(|error| {
            let message = format!("{} {error}", check::quoted(amount));
            self.error(at, "bad_number", message)
                .expecting([format!("an amount in {currency} as a number or decimal string")])
        })?;
        Ok(Operand::Money(minor, currency))
    }

    /// Reads `{"date":…}` or `{"instant":…}`; a plain string is taken for what it looks like.
    pub fn moment(&self, at: &At<'a>) -> Parsed<Moment> {
        if let Value::Text(text) = &at.json.value {
            let instant = text.contains(['T', 't', ':']);
            return if instant { self.instant(at, text) } else { self.day(at, text) };
        }
        let mut fields = self.fields(at)?;
        let moment = if let Some(date) = fields.take("date") {
            self.day(&date, self.text(&date)?)?
        } else if let Some(instant) = fields.take("instant") {
            self.instant(&instant, self.text(&instant)?)?
        } else {
            let expected = ["{\"date\":\"2026-05-01\"}", "{\"instant\":\"2026-05-01T10:00:00Z\"}"];
            return Err(self.error(at, "bad_shape", "this is no date and no instant").expecting(expected));
        };
        self.close(&fields, &["date", "instant"])?;
        Ok(moment)
    }

    fn day(&self, at: &At<'a>, text: &str) -> Parsed<Moment> {
        let day = Day::parse(text).map(Moment::Date);
        day.map_err(|error| self.error(at, "bad_date", format!("{} {error}", check::quoted(text))))
    }

    fn instant(&self, at: &At<'a>, text: &str) -> Parsed<Moment> {
        let instant = Timestamp::parse(text).map(Moment::Instant);
        instant.map_err(|error| self.error(at, "bad_date", format!("{} {error}", check::quoted(text))))
    }

    /// Reads `{"n":90,"unit":"days"}`.
    pub fn length(&self, at: &At<'a>) -> Parsed<Length> {
        let mut fields = self.fields(at)?;
        let n = self.whole(&self.need(&mut fields, "n")?)?;
        let unit_at = self.need(&mut fields, "unit")?;
        let word = self.text(&unit_at)?;
        let Some(unit) = Unit::of_word(word) else {
            let units = Unit::ALL.map(Unit::plural);
            let error = self.error(&unit_at, "bad_unit", format!("{} is no unit of time", check::quoted(word)));
            return Err(error.suggesting(suggest::nearest(word, units)).expecting(units));
        };
        self.close(&fields, &["n", "unit"])?;
        Ok(Length { n, unit })
    }

    /// Reads `"this_week"`.
    pub fn period(&self, at: &At<'a>) -> Parsed<Period> {
        let word = self.text(at)?;
        Period::ALL.into_iter().find(|period| period.name() == word).ok_or_else(|| {
            let names = Period::ALL.map(Period::name);
            let error = self.error(at, "bad_period", format!("{} is no calendar period", check::quoted(word)));
            error.suggesting(suggest::nearest(word, names)).expecting(names)
        })
    }
}
