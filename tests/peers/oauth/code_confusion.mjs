// Requests about authorization codes that must be refused: each with what it got.
//
// usage: code_confusion.mjs PACKAGES < INPUT. Prints one line of JSON: by name, status, error, reason, and where it leads.

import { fetching, input, oauth, post } from "./common.mjs";
import { allowed, ask, assertion, callback, decide, exchange, known, pkce, read, register, wanted } from "./people.mjs";

const results = {};
const expect = async (name, asked) => {
  const { status, error, reason, to, state, iss, code } = await asked;
  results[name] = { status, error, reason: reason ?? code, to, state, iss };
};
const apps = {};
for (const name of ["app", "app2"]) {
  apps[name] = (await register(name)).client_id;
  await known("ada", name, apps[name]);
}
const backend = (await register("backend", { grant_types: ["client_credentials"], response_types: undefined, redirect_uris: undefined })).client_id;
const { verifier, challenge } = pkce();
const request = (changes = {}) => wanted("app", apps.app, challenge, changes);
const wrong = async (name, changes, person = "ada") => expect(name, ask(person, request(changes)));
const page = async (person = "ada", changes = {}) => (await ask(person, request(changes))).value;
const code = (changes = {}) => allowed("ada", "app", apps.app, challenge, changes);
const tokenOf = async (given, changes, certificate) => exchange("app", apps.app, given, verifier, changes, certificate);

// What must work, so that the rest fails for its own reason.
await expect("good", tokenOf(await code()));

// Redirect URIs: an answer leaves for none but a registered one.
for (const [name, redirect_uri] of Object.entries({
  "another host": "https://evil.example/callback?from=platform",
  "prefix": "https://app.example/callback",
  "suffix": `${callback("app")}&more=1`,
  "path below": "https://app.example/callback/more?from=platform",
  "path traversal": "https://app.example/callback/../evil?from=platform",
  "subdomain": "https://evil.app.example/callback?from=platform",
  "host as a prefix": "https://app.example.evil.example/callback?from=platform",
  "user part": "https://app.example@evil.example/callback?from=platform",
  "port": "https://app.example:8443/callback?from=platform",
  "http": "http://app.example/callback?from=platform",
  "case of the scheme": "HTTPS://app.example/callback?from=platform",
  "case of the host": "https://APP.example/callback?from=platform",
  "case of the path": "https://app.example/Callback?from=platform",
  "encoded": "https://app.example/%63allback?from=platform",
  "fragment": `${callback("app")}#x`,
  "backslash": "https://app.example\\@evil.example/callback?from=platform",
  "trailing blank": `${callback("app")} `,
  "line break": `${callback("app")}\r\nLocation: https://evil.example`,
  "of another application": callback("app2"),
  "script": "javascript:alert(1)",
})) await wrong(`redirect: ${name}`, { redirect_uri });
await wrong("no redirect uri", { redirect_uri: undefined });
await wrong("unknown application", { client_id: "unknown" });
await wrong("no application", { client_id: undefined });
await wrong("a client that reads for itself", { client_id: backend, redirect_uri: "https://backend.example/callback" });
await expect("redirect uri twice", ask("ada", [...request(), ["redirect_uri", "https://evil.example/"]]));
await expect("application twice", ask("ada", [...request(), ["client_id", apps.app2]]));
await expect("oversized", ask("ada", request({ scope: "x".repeat(9000) })));
await expect("no parameters", ask("ada", ""));

// Pages of other sites ask without the person: what the browser says of the request.
const metadata = (mode, dest) => ({ "sec-fetch-site": "cross-site", "sec-fetch-mode": mode, "sec-fetch-dest": dest });
await expect("an image", ask("ada", request(), metadata("no-cors", "image")));
await expect("a frame", ask("ada", request(), metadata("navigate", "iframe")));
await expect("a script that fetches", ask("ada", request(), metadata("cors", "empty")));
await expect("an image of a stranger", ask(null, request(), metadata("no-cors", "image")));
await expect("a browser that says nothing", ask("ada", request({ code_challenge_method: "plain" }), {}));
const connections = async (asked) => (await asked).headers.connection;
results.connections = await Promise.all([
  ask("ada", request()), ask("ada", request({ response_type: "token" })), ask(null, request()), ask("ada", ""), decide("ada", {}),
].map(connections));

// People.
await wrong("no certificate", {}, null);
await wrong("certificate of a client", {}, "app");
await wrong("certificate of a device", {}, "device");
await wrong("revoked person", {}, "revoked");
await wrong("expired person", {}, "expired");
await expect("a person reads nothing", read(null, "ada"));
await expect("a person gets no token", post("ada", "/oauth/token", { grant_type: "client_credentials" }));

// Parameters: the application learns of them.
await wrong("token", { response_type: "token" });
await wrong("code and id token", { response_type: "code id_token" });
await wrong("no response type", { response_type: undefined });
await wrong("fragment mode", { response_mode: "fragment" });
await wrong("request object", { request: "eyJ" });
await wrong("request uri", { request_uri: "https://evil.example/request" });
await wrong("no challenge", { code_challenge: undefined, code_challenge_method: undefined });
await wrong("no method", { code_challenge_method: undefined });
await wrong("plain", { code_challenge_method: "plain", code_challenge: verifier });
await wrong("s256", { code_challenge_method: "s256" });
await wrong("short challenge", { code_challenge: "abc" });
await wrong("another resource server", { aud: "https://evil.example/fhir" });
await wrong("long state", { state: "x".repeat(1025) });
await wrong("scope that it has not", { scope: "system/Patient.rs" });
await wrong("scope of another kind", { scope: "openid offline_access" });
await expect("scope twice", ask("ada", [...request(), ["scope", "system/*.rs"]]));
await expect("state twice", ask("ada", [...request(), ["state", "y"]]));

// The form: for one person, one request, once.
const value = await page();
await expect("a form of another site", decide("ada", { authorization: value, decision: "allow" }, { "sec-fetch-site": "cross-site" }));
await expect("without the box", decide("ada", { authorization: value, decision: "allow", agreed: "" }));
await expect("no value", decide("ada", { decision: "allow" }));
await expect("wrong value", decide("ada", { authorization: "x".repeat(43), decision: "allow" }));
await expect("no decision", decide("ada", { authorization: value }));
await expect("another decision", decide("ada", { authorization: value, decision: "maybe" }));
await expect("value of another person", decide("bob", { authorization: value, decision: "allow" }));
await expect("value without a person", decide(null, { authorization: value, decision: "allow" }));
await expect("decision twice", decide("ada", `authorization=${value}&decision=deny&decision=allow`));
await expect("decision by get", (async () => {
  const response = await fetching("ada")(`${input.issuer}/oauth/decide?authorization=${value}&decision=allow`);
  const text = await response.text();
  return { status: response.status, ...(text ? JSON.parse(text) : {}) };
})());
await expect("declined", decide("ada", { authorization: value, decision: "deny" }));
await expect("allowed after it was declined", decide("ada", { authorization: value, decision: "allow" }));
const second = await page();
const { code: fresh } = await decide("ada", { authorization: second, decision: "allow" });
await expect("allowed twice", decide("ada", { authorization: second, decision: "allow" }));
await expect("the value as a code", tokenOf(second));
await expect("the code as a value", decide("ada", { authorization: fresh, decision: "allow" }));

// Codes.
await expect("unknown code", tokenOf("x".repeat(43)));
await expect("no code", tokenOf(undefined));
await expect("wrong verifier", tokenOf(await code(), { code_verifier: pkce().verifier }));
await expect("no verifier", tokenOf(await code(), { code_verifier: undefined }));
await expect("the challenge as a verifier", tokenOf(await code(), { code_verifier: challenge }));
const leaked = await code();
await expect("code of another client", exchange("app2", apps.app2, leaked, verifier));
await expect("its own client after that", tokenOf(leaked));
await expect("another redirect uri", tokenOf(await code(), { redirect_uri: callback("app2") }));
await expect("without a redirect uri", tokenOf(await code(), { redirect_uri: undefined }));
await expect("without an assertion", post("app", "/oauth/token", {
  grant_type: "authorization_code", code: await code(), code_verifier: verifier, redirect_uri: callback("app"),
}));
await expect("assertion of another client", tokenOf(await code(), { client_assertion: await assertion("app2", apps.app2), client_id: apps.app }));
const twice = await assertion("app", apps.app);
await expect("first use of an assertion", tokenOf(await code(), { client_assertion: twice }));
await expect("replayed assertion", tokenOf(await code(), { client_assertion: twice }));
// One that was seen once ends no code of its application, and tries none.
const wait = await code();
await expect("replayed assertion, wrong verifier", tokenOf(wait, { client_assertion: twice, code_verifier: pkce().verifier }));
await expect("replayed assertion, unknown code", tokenOf("y".repeat(43), { client_assertion: twice }));
await expect("the code still counts", tokenOf(wait));
const spent = await assertion("app", apps.app);
await expect("an unknown code with an assertion", tokenOf("y".repeat(43), { client_assertion: spent }));
await expect("the same assertion again", tokenOf(await code(), { client_assertion: spent }));
// RFC 6749 section 4.1.2: a second use ends what the first one gave.
const used = await code();
const first = await tokenOf(used);
await expect("before the replay", read(first.token));
await expect("replayed code", tokenOf(used));
await expect("after the replay", read(first.token));
await expect("replayed code again", tokenOf(used));
// Of two at once, one is a thief; which one is not known.
const raced = await code();
const both = await Promise.all([tokenOf(raced), tokenOf(raced)]);
const granted = both.filter((one) => one.status === 200);
results.raced = { granted: granted.length, reads: await Promise.all(granted.map(async (one) => (await read(one.token)).status)) };

// An application reads with a person alone.
await expect("application by certificate", read(null, "app"));
await expect("client credentials of an application", post(null, "/oauth/token", {
  grant_type: "client_credentials", client_assertion: await assertion("app", apps.app),
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
}));
await expect("client credentials by certificate", post("app", "/oauth/token", { grant_type: "client_credentials" }));
const wide = await tokenOf(await code({ scope: "system/Observation.rs system/Patient.rs system/*.rs" }), { scope: "system/*.rs" });
results["scope beyond"] = { scope: wide.scope };
await expect("patients beyond its scopes", read(wide.token, null, "/fhir/Patient/unknown"));
const kept = await tokenOf(await code());
await expect("no refresh", post(null, "/oauth/token", { grant_type: "refresh_token", refresh_token: kept.token }));
// Registered as one kind of client, it does not become the other.
await expect("an application that wants to read for itself", register("app", { grant_types: ["client_credentials"], response_types: undefined, redirect_uris: undefined }));
await expect("a client that wants people", register("backend"));
await expect("both grants", register("app", { grant_types: ["authorization_code", "client_credentials"] }));
await expect("redirect uri with an answer", register("app", { redirect_uris: ["https://app.example/?iss=https://evil.example"] }));
await expect("redirect uri without https", register("app", { redirect_uris: ["http://app.example/callback"] }));
await expect("redirect uri with a fragment", register("app", { redirect_uris: ["https://app.example/#x"] }));
// Mix-up (RFC 9207): an answer of this platform is not taken for one of another server.
const issuer = new URL(input.issuer);
const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", [oauth.customFetch]: fetching(null) });
const server = await oauth.processDiscoveryResponse(issuer, found);
const answer = new URL((await decide("ada", { authorization: await page(), decision: "allow" })).location);
const validated = (changes, state = "a state & more") => {
  const url = new URL(answer);
  Object.entries(changes).forEach(([name, value]) => (value === undefined ? url.searchParams.delete(name) : url.searchParams.set(name, value)));
  try {
    oauth.validateAuthResponse(server, { client_id: apps.app }, url, state);
    return "valid";
  } catch (error) {
    return "refused";
  }
};
results.mixup = {
  own: validated({}),
  other: validated({ iss: "https://evil.example" }),
  none: validated({ iss: undefined }),
  state: validated({}, "another"),
};
console.log(JSON.stringify(results));
process.exit(0);
