//! Rules in SQL: what holds of one contact, row `c` of the table `contacts`, as an expression that is 0 or 1.

use throng::{
    model::{
        name::Name,
        schema::{EventKind, Function, Property},
        value::ValueType,
    },
    rule::ast::{
        AggregateBound, AggregateTest, BucketRange, Comparison, Counts, EdgeTest, End, EventTest, Operand, Quantity,
        RegularTest, Rule, SequenceTest, Step, Where,
    },
};

use crate::support::{
    spelling,
    sql_test::{Cell, PART, parts, quoted, sign, triple},
    sql_time::Sql,
};

/// The column of a property in `contacts`.
pub fn cell_of(property: &Property) -> Cell {
    Cell {
        column: format!("c.p{}", property.id.index()),
        set: format!("s{}", property.id.index()),
        owner: "c.id".into(),
        ty: property.ty,
        case_sensitive: property.case_sensitive,
    }
}

/// The column of an event's property in the kind's table, under a name that the query gives it.
pub fn event_cell(kind: &EventKind, property: &str, alias: &str) -> Cell {
    let (place, property) = kind.property(property).expect("checked: a known property");
    Cell {
        column: format!("{alias}.q{place}"),
        set: format!("e{}s{place}", kind.id.index()),
        owner: format!("{alias}.id"),
        ty: property.ty,
        case_sensitive: property.case_sensitive,
    }
}

fn joined(parts: impl Iterator<Item = String>, word: &str) -> String {
    let parts: Vec<String> = parts.map(|part| format!("({part})")).collect();
    parts.join(word)
}

impl Sql<'_> {
    /// Whether a rule holds the contact `c`.
    pub fn rule(&self, rule: &Rule) -> String {
        let all = |rules: &[Rule], word: &str| joined(rules.iter().map(|rule| self.rule(rule)), word);
        let tags = || cell_of(self.schema().property("tags").expect("the starter has tags"));
        let tagged = |tag: &str| self.has(&tags(), tag);
        match rule {
            Rule::All => "1".into(),
            Rule::None => "0".into(),
            Rule::And(rules) => all(rules, " AND "),
            Rule::Or(rules) => all(rules, " OR "),
            Rule::Xor(rules) => format!("(({})%2=1)", all(rules, "+")),
            Rule::Not(rule) => format!("NOT ({})", self.rule(rule)),
            Rule::Of { quantity, n, rules } => {
                let sign = match quantity {
                    Quantity::AtLeast => ">=",
                    Quantity::AtMost => "<=",
                    Quantity::Exactly => "=",
                };
                format!("(({}){sign}{n})", all(rules, "+"))
            }
            Rule::Property(test) => {
                let property = self.schema().property(test.property.as_str()).expect("checked: a known property");
                self.passes(test, &cell_of(property))
            }
            Rule::Tag(tag) => tagged(tag),
            Rule::AnyTag(tags) => joined(tags.iter().map(|tag| tagged(tag)), " OR "),
            Rule::AllTags(tags) => joined(tags.iter().map(|tag| tagged(tag)), " AND "),
            Rule::EmailDomain { property, domains } => {
                let name = property.as_ref().map_or("email", Name::as_str);
                self.has_domain(&cell_of(self.schema().property(name).expect("a known property")), domains)
            }
            Rule::Event(test) => self.did(test),
            Rule::Aggregate(test) => self.aggregate(test),
            Rule::Edge(test) => self.edge(test),
            Rule::Sequence(test) => self.sequence(test),
            Rule::Days(test) => self.days(test),
            Rule::Regularly(test) => self.regularly(test),
            Rule::Segment(name) => {
                let same = |saved: &crate::support::naive::Saved| spelling::same(&saved.name, name, false);
                let place = self.naive.segments.iter().position(same).expect("checked: a known segment");
                format!("EXISTS(SELECT 1 FROM members m WHERE m.segment={place} AND m.contact=c.id)")
            }
            Rule::Bucket { name, of, range } => {
                let bucket = format!("bucket(c.key,{},{of})", quoted(name));
                match range {
                    BucketRange::Below(end) => format!("({bucket}<{end})"),
                    BucketRange::Between(from, to) => format!("({bucket} BETWEEN {from} AND {to})"),
                }
            }
        }
    }

    fn kind(&self, name: &Name) -> &EventKind {
        self.schema().event(name.as_str()).expect("checked: a known kind")
    }

    /// `FROM … WHERE …` of the contact's events of a kind that have happened and pass a filter.
    fn events(&self, kind: &EventKind, alias: &str, filter: &[Where]) -> String {
        let mut text =
            format!("FROM e{} {alias} WHERE {alias}.contact=c.id AND {alias}.at<={}", kind.id.index(), self.now.0);
        for condition in filter {
            text += &format!(" AND {}", self.meets(condition, kind, alias));
        }
        text
    }

    fn meets(&self, condition: &Where, kind: &EventKind, alias: &str) -> String {
        let all = |list: &[Where], word| joined(list.iter().map(|condition| self.meets(condition, kind, alias)), word);
        match condition {
            Where::And(list) => format!("({})", all(list, " AND ")),
            Where::Or(list) => format!("({})", all(list, " OR ")),
            Where::Not(inner) => format!("NOT ({})", self.meets(inner, kind, alias)),
            Where::Test(test) => self.passes(test, &event_cell(kind, test.property.as_str(), alias)),
        }
    }

    fn did(&self, test: &EventTest) -> String {
        let events = self.events(self.kind(&test.event), "e", &test.filter);
        let events = format!("{events} AND {}", self.in_window("e.at", test.window));
        if test.counts.is_empty() {
            return format!("EXISTS(SELECT 1 {events})");
        }
        counted(&format!("(SELECT count(*) {events})"), &test.counts)
    }

    fn days(&self, test: &EventTest) -> String {
        let events = self.events(self.kind(&test.event), "e", &test.filter);
        let window = self.in_window("e.at", test.window);
        let days = format!("(SELECT count(DISTINCT {}) {events} AND {window})", self.day_of("e.at"));
        counted(&days, &test.counts)
    }

    fn edge(&self, test: &EdgeTest) -> String {
        let kind = self.kind(&test.event);
        let having = test.having.iter().map(|condition| self.meets(condition, kind, "e"));
        let passes = joined(having.chain([self.in_window("e.at", test.window)]), " AND ");
        let order = match test.end {
            End::First => "e.at, e.id",
            End::Last => "e.at DESC, e.id DESC",
        };
        let events = self.events(kind, "e", &test.filter);
        format!("COALESCE((SELECT {passes} {events} ORDER BY {order} LIMIT 1),0)")
    }

    /// The instants at which the steps so far can have ended, step by step.
    fn sequence(&self, test: &SequenceTest) -> String {
        let within = test.within.map(|length| length.exact_ms().expect("checked: an exact length"));
        let mut ends = String::new();
        for (place, Step { event, filter }) in test.steps.iter().enumerate() {
            let events = self.events(self.kind(event), "e", filter);
            let mut step = format!("SELECT DISTINCT e.at AS at {events} AND {}", self.in_window("e.at", test.window));
            if place > 0 {
                let near = within.map_or(String::new(), |within| format!(" AND e.at-b.at<={within}"));
                step += &format!(" AND EXISTS(SELECT 1 FROM ({ends}) b WHERE b.at<e.at{near})");
            }
            ends = step;
        }
        format!("EXISTS({ends})")
    }

    fn regularly(&self, test: &RegularTest) -> String {
        let events = self.events(self.kind(&test.event), "e", &test.filter);
        let span = |k: u32| {
            format!("({},{})", self.moved(test.every, -i64::from(k)), self.moved(test.every, -i64::from(k - 1)))
        };
        let spans: Vec<String> = (1..=test.periods).map(span).collect();
        let count = format!("(SELECT count(*) {events} AND e.at>v.column1 AND e.at<=v.column2)");
        let good = counted(&count, &test.counts);
        format!("((SELECT count(*) FROM (VALUES {}) v WHERE {good})>={})", spans.join(","), test.at_least)
    }

    fn aggregate(&self, test: &AggregateTest) -> String {
        let kind = self.kind(&test.event);
        let events = self.events(kind, "e", &test.filter);
        let events = format!("{events} AND {}", self.in_window("e.at", test.window));
        let of = test.of.as_ref().map(|of| event_cell(kind, of.as_str(), "e"));
        match (test.function, of) {
            (_, None) => bounded(&test.test, &whole(&format!("SELECT count(*) AS x {events}"))),
            (Function::Count, Some(of)) => {
                bounded(&test.test, &whole(&format!("SELECT count({}) AS x {events}", of.column)))
            }
            (Function::Distinct, Some(of)) => bounded(&test.test, &whole(&distinct(&of, &events))),
            (Function::Sum, Some(of)) => bounded(&test.test, &sum(&of, &events, false)),
            (Function::Avg, Some(of)) => bounded(&test.test, &sum(&of, &events, true)),
            (Function::Min | Function::Max, Some(of)) => {
                let source = extreme(&of, &events, test.function == Function::Min);
                let found = Cell { column: "f.x".into(), ..of };
                bounded(&test.test, &|comparison, operand| {
                    format!("(SELECT {} FROM ({source}) f)", self.compares(comparison, &found, operand))
                })
            }
        }
    }
}

/// Whether a count lies within bounds; none at all mean at least 1.
fn counted(count: &str, counts: &Counts) -> String {
    if counts.is_empty() {
        return format!("({count}>=1)");
    }
    joined(counts.iter().map(|(comparison, bound)| format!("{count}{}{bound}", sign(*comparison))), " AND ")
}

/// An aggregate compared; where there is none, only its not being equal holds.
fn bounded(test: &AggregateBound, compares: &dyn Fn(Comparison, &Operand) -> String) -> String {
    match test {
        AggregateBound::Compare(Comparison::Ne, operand) => {
            format!("NOT COALESCE({},0)", compares(Comparison::Eq, operand))
        }
        AggregateBound::Compare(comparison, operand) => format!("COALESCE({},0)", compares(*comparison, operand)),
        AggregateBound::Between(from, to) => {
            let (from, to) = (compares(Comparison::Ge, from), compares(Comparison::Le, to));
            format!("(COALESCE({from},0) AND COALESCE({to},0))")
        }
    }
}

/// Compares a query's whole number.
fn whole(query: &str) -> impl Fn(Comparison, &Operand) -> String {
    move |comparison, operand| {
        let Operand::Number(number) = operand else { panic!("{operand:?} for a count") };
        let unit = throng::model::number::ONE;
        assert!(number.0 % unit == 0, "counts are compared with whole numbers");
        format!("(({query}){}{})", sign(comparison), number.0 / unit)
    }
}

/// How many different values there are.
pub fn distinct(of: &Cell, events: &str) -> String {
    match of.ty {
        ValueType::Set => {
            let (head, rest) = events.split_once(" WHERE ").expect("events are chosen");
            format!("SELECT count(DISTINCT s.xf) AS x {head} JOIN {} s ON s.owner={} WHERE {rest}", of.set, of.owner)
        }
        ValueType::Number => {
            let x = &of.column;
            format!("SELECT count(*) AS x FROM (SELECT DISTINCT {x},{x}m,{x}l {events} AND {x} IS NOT NULL)")
        }
        ty if ty.is_text() => format!("SELECT count(DISTINCT {}f) AS x {events}", of.column),
        _ => format!("SELECT count(DISTINCT {}) AS x {events}", of.column),
    }
}

/// The least or greatest value, or none, as `x`.
pub fn extreme(of: &Cell, events: &str, is_least: bool) -> String {
    let x = &of.column;
    if of.ty == ValueType::Number {
        let order = if is_least { "" } else { " DESC" };
        return format!(
            "SELECT {x} AS x,{x}m AS xm,{x}l AS xl {events} AND {x} IS NOT NULL \
             ORDER BY {x}{order},{x}m{order},{x}l{order} LIMIT 1"
        );
    }
    format!("SELECT {}({x}) AS x {events}", if is_least { "min" } else { "max" })
}

/// The three parts of what are three sums, each carried into the next.
fn carried(high: &str, middle: &str, low: &str) -> String {
    let middle = format!("({middle}+({low})/{PART})");
    format!("({high}+{middle}/{PART},{middle}%{PART},({low})%{PART})")
}

/// Compares a sum, or a mean without dividing: its sum with so many times the operand.
fn sum(of: &Cell, events: &str, is_mean: bool) -> impl Fn(Comparison, &Operand) -> String {
    let (x, is_number) = (of.column.clone(), of.ty == ValueType::Number);
    let events = events.to_owned();
    move |comparison, operand| {
        let (sign, many) = (sign(comparison), if is_mean { "n" } else { "1" });
        let empty = if is_mean { "CASE WHEN n>0 THEN" } else { "CASE WHEN 1 THEN" };
        match operand {
            Operand::Money(minor, _) => {
                assert!(!is_number, "checked: money for money");
                let source = format!("SELECT COALESCE(sum({x}),0) AS t,count({x}) AS n {events}");
                format!("(SELECT {empty} t{sign}({minor})*{many} END FROM ({source}))")
            }
            Operand::Number(number) => {
                let source = format!(
                    "SELECT COALESCE(sum({x}),0) AS h,COALESCE(sum({x}m),0) AS m,COALESCE(sum({x}l),0) AS l,\
                     count({x}) AS n {events}"
                );
                let [h, m, l] = parts(number.0).map(|part| format!("({part})*{many}"));
                let (left, right) = (carried("h", "m", "l"), carried(&h, &m, &l));
                format!("(SELECT {empty} {left}{sign}{right} END FROM ({source}))")
            }
            other => panic!("{other:?} for a sum"),
        }
    }
}

/// What a number's columns are read as.
pub fn number_columns(column: &str) -> String {
    triple(column).trim_matches(['(', ')']).to_owned()
}
