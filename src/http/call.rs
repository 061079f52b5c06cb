//! One call of the API: its route, what answers it, and what the document says of it, in one value, so that none of the
//! three can be there without the others.

use axum::{
    Router,
    body::Body,
    handler::Handler,
    http::Method,
    middleware::{from_fn_with_state, map_response},
    routing::{self, MethodRouter},
};
use serde_json::{Map, Value, json};

use crate::{
    http::{
        access::{self, Door, Needs, PROBES},
        app::App,
        audit::{self, Recorded},
        body,
        problem::{self, Problem},
        shape, tracking,
    },
    model::limits,
};

/// The media type of most bodies.
pub const JSON: &str = "application/json";
/// A JSON object a line.
pub const NDJSON: &str = "application/x-ndjson";
/// A header row and a row each.
pub const CSV: &str = "text/csv";
/// A text, a key a line.
pub const PLAIN: &str = "text/plain";

/// What any call over the data may come to, whatever it asks for.
const ALWAYS: [u16; 2] = [500, 503];

/// A call of the API.
pub struct Call {
    /// A name of its own for programs, such as `listContacts`.
    pub id: &'static str,
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for its parts.
    pub path: &'static str,
    /// What it wants of its caller.
    pub needs: Needs,
    /// Of the same call other paths.
    also: Vec<&'static str>,
    handler: MethodRouter<App>,
    operation: Map<String, Value>,
}

/// Calls about one thing.
pub struct Chapter {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// The calls.
    pub calls: Vec<Call>,
}

impl Call {
    /// A call that reads.
    pub fn get<T: 'static>(
        needs: Needs,
        id: &'static str,
        path: &'static str,
        handler: impl Handler<T, App>,
        summary: &str,
    ) -> Call {
        Call::new(needs, id, Method::GET, path, routing::get(handler), summary)
    }

    /// A call that asks or writes by a body.
    pub fn post<T: 'static>(
        needs: Needs,
        id: &'static str,
        path: &'static str,
        handler: impl Handler<T, App>,
        summary: &str,
    ) -> Call {
        Call::new(needs, id, Method::POST, path, routing::post(handler), summary)
    }

    /// A call that replaces.
    pub fn put<T: 'static>(
        needs: Needs,
        id: &'static str,
        path: &'static str,
        handler: impl Handler<T, App>,
        summary: &str,
    ) -> Call {
        Call::new(needs, id, Method::PUT, path, routing::put(handler), summary)
    }

    /// A call that changes.
    pub fn patch<T: 'static>(
        needs: Needs,
        id: &'static str,
        path: &'static str,
        handler: impl Handler<T, App>,
        summary: &str,
    ) -> Call {
        Call::new(needs, id, Method::PATCH, path, routing::patch(handler), summary)
    }

    /// A call that removes.
    pub fn delete<T: 'static>(
        needs: Needs,
        id: &'static str,
        path: &'static str,
        handler: impl Handler<T, App>,
        summary: &str,
    ) -> Call {
        Call::new(needs, id, Method::DELETE, path, routing::delete(handler), summary)
    }

    fn new(
        needs: Needs,
        id: &'static str,
        method: Method,
        path: &'static str,
        handler: MethodRouter<App>,
        summary: &str,
    ) -> Call {
        let mut operation = Map::new();
        operation.insert("operationId".into(), id.into());
        operation.insert("summary".into(), summary.into());
        operation.insert("responses".into(), json!({}));
        if needs != Needs::Nothing {
            let scopes = needs.scopes();
            // Without keys everyone on the machine is served.
            operation.insert("security".into(), json!([{}, {"bearer": scopes}, {"basic": scopes}]));
        }
        let call = Call { id, method, path, needs, also: Vec::new(), handler, operation };
        let call = if path.starts_with("/v1/") { call.fails(&ALWAYS) } else { call };
        // Whoever calls too often, if the server was told how often is too often.
        let call = if PROBES.contains(&path) { call } else { call.fails(&[429]) };
        let call = if needs == Needs::Nothing { call } else { call.fails(&[401]) };
        // Without keys also what is called under a strange name.
        call.fails(&[403, 431])
    }

    /// What the document says of it beside the summary.
    pub fn says(mut self, description: &str) -> Call {
        self.operation.insert("description".into(), description.into());
        self
    }

    /// Serves the call at another path, too; the document has the first alone.
    pub fn also_at(mut self, path: &'static str) -> Call {
        self.also.push(path);
        self
    }

    fn parameter(mut self, parameter: Value) -> Call {
        let parameters = self.operation.entry("parameters").or_insert_with(|| json!([]));
        if let Value::Array(parameters) = parameters {
            parameters.push(parameter);
        }
        self
    }

    /// A part of the path.
    pub fn part(self, name: &str, shape: Value, description: &str, example: &str) -> Call {
        self.parameter(json!({
            "name": name, "in": "path", "required": true, "schema": shape, "description": description,
            "example": example,
        }))
    }

    /// A parameter of the query string that may be left out.
    pub fn query(self, name: &str, shape: Value, description: &str) -> Call {
        self.parameter(json!({"name": name, "in": "query", "schema": shape, "description": description}))
    }

    /// A parameter of the query string that may be left out, with an example.
    pub fn query_like(self, name: &str, shape: Value, description: &str, example: impl Into<Value>) -> Call {
        let example: Value = example.into();
        self.parameter(
            json!({"name": name, "in": "query", "schema": shape, "description": description, "example": example}),
        )
    }

    /// A parameter of the query string that must be there.
    pub fn query_must(self, name: &str, shape: Value, description: &str, example: impl Into<Value>) -> Call {
        let example: Value = example.into();
        self.parameter(json!({
            "name": name, "in": "query", "required": true, "schema": shape, "description": description,
            "example": example,
        }))
    }

    /// A header of the request that may be left out.
    pub fn header(self, name: &str, shape: Value, description: &str) -> Call {
        self.parameter(json!({"name": name, "in": "header", "schema": shape, "description": description}))
    }

    /// The parameters of a listing by pages.
    pub fn paged(self) -> Call {
        let after = "The `next` of the page before. The view that it names is kept for ten minutes after its last use.";
        self.query("after", shape::cursor(), after).limited().fails(&[400, 410, 422])
    }

    /// The `limit` of a page.
    pub fn limited(self) -> Call {
        let mut most = shape::whole_of(1, limits::PAGE_MAX as u64);
        most["default"] = limits::PAGE_DEFAULT.into();
        self.query("limit", most, "Entries of the page.")
    }

    /// A call that writes: there may be no room, and it may be made safe to repeat.
    pub fn writes(self) -> Call {
        let call = match self.method {
            Method::PUT => self,
            _ => self.once(),
        };
        call.fails(&[507])
    }

    fn once(self) -> Call {
        let sentence = "Makes a retry safe for 24 hours, over restarts too: the call counts once.";
        self.header("Idempotency-Key", json!({"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"}), sentence)
            .fails(&[400, 422])
    }

    /// A body that is taken; several calls name several media types.
    pub fn takes(mut self, media: &str, shape: Value, example: impl Into<Value>) -> Call {
        let example: Value = example.into();
        let body = self.operation.entry("requestBody").or_insert_with(|| json!({"required": true, "content": {}}));
        body["content"][media] = json!({"schema": shape});
        if !example.is_null() {
            body["content"][media]["example"] = example;
        }
        self.fails(&[400, 408, 413, 415, 422])
    }

    /// The body may be left out.
    pub fn or_nothing(mut self) -> Call {
        if let Some(body) = self.operation.get_mut("requestBody") {
            body["required"] = false.into();
        }
        self
    }

    /// An answer that says how it went well.
    pub fn gives(mut self, status: u16, description: &str, media: &str, shape: Value, example: Value) -> Call {
        let is_data = self.path.starts_with("/v1/");
        let responses = self.operation.entry("responses").or_insert_with(|| json!({}));
        let response = &mut responses[status.to_string()];
        if response.is_null() {
            *response = json!({"description": description, "headers": {"X-Request-Id": header_ref("RequestId")}});
            if is_data {
                response["headers"]["Throng-Lsn"] = header_ref("Lsn");
            }
        }
        if !media.is_empty() {
            response["content"][media] = json!({"schema": shape});
            if !example.is_null() {
                response["content"][media]["example"] = example;
            }
        }
        self
    }

    /// A JSON answer of 200.
    pub fn answers(self, shape: Value, example: Value) -> Call {
        self.gives(200, "Done.", JSON, shape, example)
    }

    /// 204.
    pub fn gives_nothing(self, description: &str) -> Call {
        self.gives(204, description, "", Value::Null, Value::Null)
    }

    /// A header of the answers that go well.
    pub fn tells(mut self, name: &str, shape: Value, description: &str) -> Call {
        if let Some(Value::Object(responses)) = self.operation.get_mut("responses") {
            for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
                response["headers"][name] = json!({"schema": shape, "description": description});
            }
        }
        self
    }

    /// Statuses of problems that the call may come to.
    pub fn fails(mut self, statuses: &[u16]) -> Call {
        let responses = self.operation.entry("responses").or_insert_with(|| json!({}));
        for status in statuses {
            responses[status.to_string()] = json!({"$ref": format!("#/components/responses/Problem{status}")});
        }
        self
    }

    /// What an answer makes possible: another call, with its parameters from this one's
    /// (OpenAPI 3.1, Runtime Expressions).
    pub fn leads_to(mut self, status: u16, operation: &str, parameters: &[(&str, &str)]) -> Call {
        let parameters: Map<String, Value> =
            parameters.iter().map(|(name, from)| ((*name).to_owned(), (*from).into())).collect();
        if let Some(responses) = self.operation.get_mut("responses") {
            responses[status.to_string()]["links"][operation] =
                json!({"operationId": operation, "parameters": parameters});
        }
        self
    }

    /// What the document says of it.
    pub fn operation(&self) -> &Map<String, Value> {
        &self.operation
    }

    /// Adds its routes to a router, behind the door that they want.
    pub fn onto(self, router: Router<App>, app: &App) -> Router<App> {
        let door = Door { app: app.clone(), needs: self.needs };
        let mut handler = self.handler.layer(from_fn_with_state(door, access::check));
        if audit::RECORDED.contains(&self.id) {
            let recorded = Recorded { app: app.clone(), action: self.id, method: self.method };
            handler = handler.layer(from_fn_with_state(recorded, audit::note));
        }
        let paths = std::iter::once(self.path).chain(self.also);
        if self.needs != Needs::Track {
            return paths.fold(router, |router, path| router.route(path, handler.clone()));
        }
        let handler = handler.layer(tracking::any_origin()).layer(map_response(problem::for_sdk));
        paths.fold(router, |router, path| {
            let router = router.route(path, handler.clone());
            // Some SDKs put a slash at the end.
            router.route(&format!("{path}/"), handler.clone())
        })
    }
}

/// Adds what is answered where there is nothing: whoever has no key is not even told that.
pub fn otherwise(router: Router<App>, app: &App) -> Router<App> {
    let door = Door { app: app.clone(), needs: Needs::Key };
    let nothing = routing::any(nothing).layer(from_fn_with_state(door, access::check));
    router.fallback_service(nothing.with_state(app.clone()))
}

async fn nothing(body: Body) -> Problem {
    body::pass_over(body).await;
    Problem::not_found("there is nothing at this path")
}

fn header_ref(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}
