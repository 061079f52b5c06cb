//! The recipes for clients: no call of the API is missing. `tests/recipes/run` runs them against a real server.

use std::{collections::BTreeSet, fs};

use throng::http::calls;

use crate::support::source::root;

/// Method and path of every command in a block of `curl`, the query string left out.
fn commands(page: &str) -> Vec<(String, String)> {
    let blocks = page.split("```curl\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let lines = blocks.flat_map(str::lines).filter(|line| line.contains("curl "));
    let told = lines.map(|line| {
        let (_, command) = line.split_once("curl ").unwrap();
        let (_, path) = command.split_once("$THRONG").unwrap_or_else(|| panic!("it calls another server: {line}"));
        let path = path.split(['"', '?', ' ']).next().unwrap_or_default();
        let has_body = ["--json", "-T ", "--data"].iter().any(|option| command.contains(option));
        let method = command.split("-X ").nth(1).and_then(|rest| rest.split(' ').next());
        (method.unwrap_or(if has_body { "POST" } else { "GET" }).to_owned(), path.to_owned())
    });
    told.collect()
}

/// Whether a path is one of a call; a part in braces stands for anything.
fn fits(path: &str, template: &str) -> bool {
    let (path, template): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    path.len() == template.len() && path.iter().zip(&template).all(|(a, b)| a == b || b.starts_with('{'))
}

#[test]
fn every_call_has_a_recipe_and_every_recipe_a_call() {
    let told = commands(&fs::read_to_string(root().join("docs/CLIENTS.md")).unwrap());
    assert!(told.len() > 80, "{} commands", told.len());
    let all = calls::chapters();
    let served: Vec<(&str, &str)> =
        all.iter().flat_map(|chapter| &chapter.calls).map(|call| (call.method.as_str(), call.path)).collect();
    let mut shown = BTreeSet::new();
    let mut strays = vec![];
    for (method, path) in &told {
        let mut fitting: Vec<&str> =
            served.iter().filter(|(m, t)| m == method && fits(path, t)).map(|(_, template)| *template).collect();
        // A fixed part goes before a free one, as in the router.
        fitting.sort_by_key(|template| template.matches('{').count());
        match fitting.first() {
            Some(template) => drop(shown.insert((method.as_str(), *template))),
            None => strays.push(format!("{method} {path}")),
        }
    }
    let missing: Vec<_> = served.iter().filter(|call| !shown.contains(call)).collect();
    assert!(strays.is_empty(), "docs/CLIENTS.md has commands that are no call: {strays:?}");
    assert!(missing.is_empty(), "docs/CLIENTS.md lacks a command for {missing:?}");
}

#[test]
fn a_recipe_is_read_as_a_shell_reads_it() {
    let page = "```curl\ncurl \"$THRONG/v1/a?x=1\"  # 200\nprintf x | curl -X PUT \"$THRONG/v1/b/c\" --json '{}'\n```\n\
                ```sh\ncurl elsewhere\n```\n```curl\ncurl \"$THRONG/v1/d\" -T file\n```\n";
    let told = commands(page);
    let told: Vec<(&str, &str)> = told.iter().map(|(method, path)| (method.as_str(), path.as_str())).collect();
    assert_eq!(told, [("GET", "/v1/a"), ("PUT", "/v1/b/c"), ("POST", "/v1/d")]);
    assert!(fits("/v1/b/c", "/v1/b/{key}") && !fits("/v1/b/c/d", "/v1/b/{key}"));
}
