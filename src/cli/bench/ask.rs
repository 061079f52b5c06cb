//! Questions: the rules of the suite and random segments, each answered by the database, by a fused loop over the words
//! of its predicates, and by `roaring`; all three must count the same.

use std::{collections::HashMap, hint::black_box};

use rand::SeedableRng;

use crate::{
    bitmap::yardstick::{Formula, Sets},
    cli::{
        bench::{
            questions,
            rows::{Choice, Row, median_of},
        },
        failure::Failure,
    },
    db::{clock::Stopwatch, view::View},
    model::request::RuleSource,
    rule::{
        self,
        ast::{Comparison, Operand, PropertyTest, Rule, Test},
    },
};

const FUSED: &str = "a fused loop over the words of the predicates' sets, as if these were there; one core";
const FUSED_IDS: &str = "the same, and the ids listed";
const BY_HAND: &str = "a loop over the words of the six sets, fused by hand, one core";
const SIX_NAME: &str = "Six predicates";
/// The row of the random segments.
pub const RANDOM_ROW: &str = "random segments, counted one by one";

/// The names of all rows of this kind.
pub fn names() -> Vec<String> {
    let rules = questions::rules().into_iter().map(|(name, _)| name).chain([SIX_NAME]);
    let both = rules.flat_map(|name| [format!("count: {name}"), format!("ids: {name}")]);
    both.chain(questions::KINDS.map(|(name, _)| kind_row(name))).chain([RANDOM_ROW.to_owned()]).collect()
}

fn kind_row(name: &str) -> String {
    format!("kind: {name}")
}

/// A stopwatch around a call. Units: microseconds.
pub fn timed<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let watch = Stopwatch::start();
    let given = black_box(run());
    (watch.elapsed_ns() as f64 / 1e3, given)
}

/// The sets of predicates, and formulas over them.
struct Leaves<'a> {
    view: &'a View,
    sets: Sets,
    numbers: HashMap<String, usize>,
}

impl<'a> Leaves<'a> {
    fn new(view: &'a View) -> Result<Leaves<'a>, Failure> {
        let sets = Sets::new(&view.everyone().to_roaring()).map_err(|damage| Failure::operator(damage.to_string()))?;
        Ok(Leaves { view, sets, numbers: HashMap::new() })
    }

    /// The formula of a rule; what is no set algebra in it is a set by itself.
    fn formula(&mut self, rule: &Rule) -> Result<Formula, Failure> {
        match rule {
            Rule::And(parts) => Ok(Formula::All(self.formulas(parts)?)),
            Rule::Or(parts) => Ok(Formula::Any(self.formulas(parts)?)),
            Rule::Not(inner) => Ok(Formula::Not(Box::new(self.formula(inner)?))),
            // A list is a union of what each of its values has: these are the sets that are kept.
            Rule::AnyTag(tags) if tags.len() > 1 => {
                Ok(Formula::Any(self.formulas(&tags.iter().cloned().map(Rule::Tag).collect::<Vec<_>>())?))
            }
            Rule::Property(test) => match &test.test {
                Test::In { negated: false, values } if test.missing.is_none() && values.len() > 1 => {
                    let one = |value: &Operand| {
                        Rule::Property(PropertyTest {
                            test: Test::Compare(Comparison::Eq, value.clone()),
                            ..test.clone()
                        })
                    };
                    Ok(Formula::Any(self.formulas(&values.iter().map(one).collect::<Vec<_>>())?))
                }
                _ => Ok(Formula::Set(self.set(rule)?)),
            },
            leaf => Ok(Formula::Set(self.set(leaf)?)),
        }
    }

    fn formulas(&mut self, rules: &[Rule]) -> Result<Vec<Formula>, Failure> {
        rules.iter().map(|rule| self.formula(rule)).collect()
    }

    fn set(&mut self, leaf: &Rule) -> Result<usize, Failure> {
        let text = rule::print(leaf);
        if let Some(number) = self.numbers.get(&text) {
            return Ok(*number);
        }
        let bytes = self.view.query(leaf, None)?.to_roaring();
        let number = self.sets.push(&bytes).map_err(|damage| Failure::operator(damage.to_string()))?;
        self.numbers.insert(text, number);
        Ok(number)
    }
}

/// Reads a rule of ours.
///
/// Errors: what is wrong with it.
pub fn parsed(view: &View, text: &str) -> Result<Rule, Failure> {
    let rule = view.parse_rule(&RuleSource::Text(text.into()));
    rule.map_err(|error| Failure::caller(format!("{text}: {error}")))
}

/// How many were counted where all ways must count the same.
fn agreed(name: &str, counts: [u64; 3]) -> Result<u64, Failure> {
    match counts {
        [a, b, c] if a == b && b == c => Ok(a),
        [here, fused, roaring] => Err(Failure {
            code: crate::cli::failure::FAULT,
            ..Failure::operator(format!(
                "{name}: the database counts {here}, a loop over the words {fused}, roaring {roaring}; please report this"
            ))
        }),
    }
}

/// Every rule as a count and as a list of ids, nothing of it saved.
///
/// Errors: counts that differ.
pub fn rules(view: &View, runs: usize, choice: &Choice, rows: &mut Vec<Row>) -> Result<(), Failure> {
    let six = questions::six_rule();
    let all = questions::rules().into_iter().chain([(SIX_NAME, six.as_str())]);
    let mut lists = Vec::new();
    for (name, text) in all {
        let (count_row, ids_row) = (format!("count: {name}"), format!("ids: {name}"));
        if !choice.wants(&count_row) && !choice.wants(&ids_row) {
            continue;
        }
        let rule = parsed(view, text)?;
        let mut leaves = Leaves::new(view)?;
        let by_hand = if name == SIX_NAME {
            let mut sets = [0; 6];
            for (set, text) in sets.iter_mut().zip(questions::SIX) {
                *set = leaves.set(&parsed(view, text)?)?;
            }
            Some(sets)
        } else {
            None
        };
        let formula = match by_hand {
            Some(six) => Sets::six(six),
            None => leaves.formula(&rule)?,
        };
        let sets = &leaves.sets;
        if choice.wants(&count_row) {
            let floor = || by_hand.map_or_else(|| sets.fused_count(&formula), |six| sets.six_count(six));
            let is = if by_hand.is_some() { BY_HAND } else { FUSED };
            rows.push(raced(count_row, runs, is, &|| Ok(view.count(&rule, None)?), &floor, &|| {
                sets.roaring_count(&formula)
            })?);
        }
        if choice.wants(&ids_row) {
            let len = |ids: Vec<u32>| black_box(ids).len() as u64;
            lists.push(raced(
                ids_row,
                runs,
                FUSED_IDS,
                &|| Ok(len(view.query(&rule, None)?.to_ids())),
                &|| len(sets.fused_ids(&formula)),
                &|| len(sets.roaring_ids(&formula)),
            )?);
        }
    }
    rows.extend(lists);
    Ok(())
}

/// Predicates that no set is kept for, each counted by itself.
///
/// Errors: counts that differ.
pub fn kinds(view: &View, runs: usize, choice: &Choice, rows: &mut Vec<Row>) -> Result<(), Failure> {
    for (name, text) in questions::KINDS {
        let row = kind_row(name);
        if !choice.wants(&row) {
            continue;
        }
        let rule = parsed(view, text)?;
        let mut leaves = Leaves::new(view)?;
        let formula = leaves.formula(&rule)?;
        let sets = &leaves.sets;
        let (here, fused) = (|| Ok(view.count(&rule, None)?), || sets.fused_count(&formula));
        rows.push(raced(row, runs, FUSED, &here, &fused, &|| sets.roaring_count(&formula))?);
    }
    Ok(())
}

/// The three ways by turns, so that what else happens on the machine meets all of them.
fn raced(
    name: String,
    runs: usize,
    floor_is: &'static str,
    here: &dyn Fn() -> Result<u64, Failure>,
    fused: &dyn Fn() -> u64,
    roaring: &dyn Fn() -> u64,
) -> Result<Row, Failure> {
    // Once for the counts, and to have everything at hand.
    let count = agreed(&name, [here()?, fused(), roaring()])?;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..runs {
        let (took, again) = timed(here);
        times[0].push(took);
        let (took, floor) = timed(fused);
        times[1].push(took);
        let (took, other) = timed(roaring);
        times[2].push(took);
        agreed(&name, [again?, floor, other])?;
    }
    let [here, fused, roaring] = times;
    Ok(Row::new(name, "us", here, (median_of(fused), floor_is)).of(count).beside(median_of(roaring)))
}

/// Random segments of five predicates out of two hundred, counted one after the other.
///
/// Errors: counts that differ.
pub fn random(view: &View, segments: u64, runs: usize, choice: &Choice, rows: &mut Vec<Row>) -> Result<(), Failure> {
    if !choice.wants(RANDOM_ROW) {
        return Ok(());
    }
    let (predicates, mut random) = (questions::predicates(), rand_pcg::Pcg64::seed_from_u64(1));
    let mut leaves = Leaves::new(view)?;
    let mut asked = Vec::new();
    for number in 0..segments {
        let rule = parsed(view, &questions::segment(&mut random, &predicates, number))?;
        let formula = leaves.formula(&rule)?;
        asked.push((rule, formula));
    }
    let sets = &leaves.sets;
    let here = || asked.iter().map(|(rule, _)| Ok(view.count(rule, None)?)).sum::<Result<u64, Failure>>();
    let fused = || asked.iter().map(|(_, formula)| sets.fused_count(formula)).sum();
    let roaring = || asked.iter().map(|(_, formula)| sets.roaring_count(formula)).sum();
    for (place, (rule, formula)) in asked.iter().enumerate() {
        let counts = [view.count(rule, None)?, sets.fused_count(formula), sets.roaring_count(formula)];
        agreed(&format!("random segment {place}, {}", rule::print(rule)), counts)?;
    }
    rows.push(raced(
        RANDOM_ROW.into(),
        runs.min(5),
        "fused loops over the same words, one core",
        &here,
        &fused,
        &roaring,
    )?);
    Ok(())
}
