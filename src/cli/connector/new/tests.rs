use stepward_core::connector::{Connector, compile::source::Source};

use super::*;

const IP: &str = r##"
openapi: 3.0.3
info: { title: "Acme: addresses", version: "1" }
externalDocs: { url: https://acme.example/docs }
servers: [{ url: "https://{region}.acme.example/v2/", variables: { region: { default: eu } } }]
security: [{ oauth: [] }, { key: [] }]
paths:
  /ip/{ip_address}:
    parameters: [{ $ref: "#/components/parameters/address" }]
    get:
      operationId: lookupIp
      summary: Look an address up
      parameters:
        - { name: days, in: query, required: true, schema: { type: integer, default: 30 } }
        - { name: orderAmount, in: query, required: true, schema: { type: number } }
        - { name: verbose, in: query, schema: { type: boolean } }
        - { name: X-Trace, in: header, schema: { type: string } }
      responses:
        200: { $ref: "#/components/responses/answer" }
        404: { description: nothing known }
        422: { description: no address }
  /bulk:
    post:
      responses: { "200": { description: ok } }
components:
  parameters:
    address: { name: ip_address, in: path, required: true, schema: { type: string, format: ipv4 } }
  securitySchemes:
    oauth: { type: oauth2, flows: {} }
    key: { type: apiKey, in: header, name: X-Key }
  responses:
    answer:
      description: what is known
      content: { application/json: { schema: { $ref: "#/components/schemas/Answer" } } }
  schemas:
    Answer:
      allOf:
        - { type: object, properties: { riskScore: { type: number, example: 42 }, isTor: { type: boolean } } }
        - { type: object, properties: { countryCode: { type: string, enum: [NL, DE] }, network: { $ref: "#/components/schemas/Network" } } }
    Network: { type: object, properties: { asn: { type: integer }, parent: { $ref: "#/components/schemas/Network" }, "a-b": { type: [string, "null"] } } }
"##;

fn api(text: &str) -> Json {
    serde_json::from_str(text).or_else(|_| serde_saphyr::from_str(text)).unwrap()
}

fn begun(text: &str, operation: Option<&str>) -> (String, Connector) {
    let found = openapi::find(&api(text), operation).unwrap();
    let text = scaffold::write("acme", "ip_reputation", &found);
    let compiled = compile::connector(&"acme.yaml".into(), &text, &Catalogue::builtin());
    let connector = compiled.unwrap_or_else(|found| panic!("{found:#?}\n{text}"));
    (text, connector)
}

#[test]
fn what_is_begun_loads_and_its_fixtures_pass() {
    let (text, connector) = begun(IP, Some("lookupIp"));
    let url = fixtures::prepared(&connector, &connector.fixtures[0]).unwrap().url;
    assert_eq!(url, "https://eu.acme.example/v2/ip/62.4.31.7?days=30&orderAmount=1.5");
    let text = text.replace(scaffold::URL, &json!(url).to_string());
    let source = Source::read(&"acme.yaml".into(), &text, &|_| None).unwrap();
    let checked = fixtures::check(&source, &Catalogue::builtin()).unwrap();
    assert_eq!(checked.cases.len(), 4, "success, nothing known, too many, broken");
    assert!(checked.cases.iter().all(|it| it.problems.is_empty()), "{checked:#?}");
    for part in [
        "auth: { type: api_key, in: header, name: \"X-Key\"",
        "# optional: verbose",
        "#  ip.country: body.countryCode    # \"NL\"",
        "#  ip.is_tor: body.isTor    # false",
        "#  ip.risk_score: body.riskScore    # 42",
        "#  ip.asn: body.network.asn    # 1",
        "#  ?: body.network['a-b']",
        "{ when: status == 422, then: invalid_input }",
        "skip_when: is_private_ip(input.ip)",
        "  orderamount: { type: number, required: true }",
    ] {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
}

#[test]
fn a_post_in_json_sends_what_was_asked_about_and_the_examples_of_the_rest() {
    let text = r##"{
      "openapi": "3.1.0", "info": { "title": "Mail" }, "servers": [{ "url": "http://mail.internal:8080" }],
      "paths": { "/check": { "post": {
        "security": [{ "basic": [] }],
        "requestBody": { "content": { "application/json": { "schema": { "type": "object", "properties": {
          "email_address": { "type": "string", "format": "email" }, "level": { "type": "integer", "example": 3 },
          "note": { "type": "string", "example": "costs ${money}" } } } } } },
        "responses": { "201": { "content": { "application/json": { "examples": { "one": { "value": { "ok": true } } } } } } }
      } } },
      "components": { "securitySchemes": { "basic": { "type": "http", "scheme": "basic" } } }
    }"##;
    let (text, connector) = begun(text, None);
    let sent = fixtures::prepared(&connector, &connector.fixtures[0]).unwrap();
    let body: Json = serde_json::from_slice(&sent.body.unwrap().1).unwrap();
    assert_eq!(body, json!({ "email_address": "person1@example.com", "level": 3, "note": "costs {money}" }));
    assert_eq!(sent.url, "http://mail.internal:8080/check");
    assert!(text.contains("network: internal") && text.contains("type: basic"), "{text}");
    assert!(text.contains("status: 201, body: {\"ok\":true}"), "{text}");
}

#[test]
fn what_cannot_be_begun_says_what_to_do() {
    for (text, operation, told) in [
        ("swagger: '2.0'", None, "no OpenAPI 3 document"),
        (IP, None, "`lookupIp`, `POST /bulk`"),
        (IP, Some("nonsense"), "name one with `--operation`"),
        ("{openapi: 3.0.0, servers: [{url: /v1}], paths: {/x: {get: {}}}}", Some("GET /x"), "write a whole URL"),
    ] {
        let error = openapi::find(&api(text), operation).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}
