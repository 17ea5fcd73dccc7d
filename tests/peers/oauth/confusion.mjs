// Requests that must be refused, made with jose: each with what it got.
//
// usage: confusion.mjs PACKAGES < INPUT. Prints one line of JSON: by name, status, error and reason.

import { input, jose, jwtBearer, post, privateKey, tokenEndpoint, x5c } from "./common.mjs";

const now = () => Math.floor(Date.now() / 1000);
const claims = (id, changes = {}) => {
  const all = { iss: id, sub: id, aud: tokenEndpoint, iat: now(), exp: now() + 240, jti: crypto.randomUUID(), ...changes };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
};
const encoded = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/// A signed assertion. Changes are of the header, of the claims, of the key, of the signature.
const assertion = async (name, { algorithm = "ES256", header = {}, changes = {}, key = name, id = name } = {}) => {
  const secret = typeof key === "string" ? await privateKey(key, algorithm) : key;
  const protectedHeader = { alg: algorithm, x5c: x5c(name), ...header };
  return new jose.SignJWT(claims(id, changes)).setProtectedHeader(protectedHeader).sign(secret);
};
const ask = (client_assertion, more = {}, name = null) =>
  post(name, "/oauth/token", { grant_type: "client_credentials", client_assertion_type: jwtBearer, client_assertion, ...more });
const unsigned = (header, payload, signature = "") => `${encoded(header)}.${encoded(payload)}.${signature}`;

const results = {};
const expect = async (name, asked) => {
  results[name] = await asked;
};
const changed = (text, at, value) => text.split(".").map((part, index) => (index === at ? value : part)).join(".");

// What must work, so that the rest fails for its own reason.
await expect("good", ask(await assertion("ehr")));
await expect("good by rsa", ask(await assertion("rsa", { algorithm: "RS256" })));
await expect("good by certificate", post("ehr", "/oauth/token", { grant_type: "client_credentials", client_id: "ehr" }));
await expect("an audience in a list", ask(await assertion("ehr", { changes: { aud: [tokenEndpoint] } })));
await expect("several audiences", ask(await assertion("ehr", { changes: { aud: ["https://other.example", tokenEndpoint] } })));

// Algorithms.
const good = await assertion("ehr");
await expect("none", ask(unsigned({ alg: "none", x5c: x5c("ehr") }, claims("ehr"))));
await expect("None", ask(unsigned({ alg: "None", x5c: x5c("ehr") }, claims("ehr"))));
await expect("no algorithm", ask(unsigned({ x5c: x5c("ehr") }, claims("ehr"))));
const hmac = Buffer.from(x5c("rsa")[0], "base64");
await expect("hs256 by the certificate", ask(await assertion("rsa", { algorithm: "HS256", key: hmac })));
await expect("ps256", ask(await assertion("rsa", { algorithm: "PS256" })));
await expect("rs512", ask(await assertion("rsa", { algorithm: "RS512" })));
const { privateKey: ed } = await jose.generateKeyPair("EdDSA");
await expect("eddsa", ask(await assertion("ehr", { algorithm: "EdDSA", key: ed })));
await expect("rs256 with a key of a curve", ask(await assertion("ehr", { algorithm: "RS256", key: "rsa" })));
await expect("es256 with an rsa key", ask(await assertion("rsa", { algorithm: "ES256", key: "ehr" })));
await expect("es384 with p-256", ask(await assertion("ehr", { algorithm: "ES384", key: "p384" })));
await expect("es256 with p-384", ask(await assertion("p384", { algorithm: "ES256", key: "ehr", id: "p384" })));

// Keys.
const { privateKey: own, publicKey } = await jose.generateKeyPair("ES256", { extractable: true });
const jwk = await jose.exportJWK(publicKey);
await expect("jwk of the attacker", ask(await assertion("ehr", { key: own, header: { jwk } })));
await expect("jku of the attacker", ask(await assertion("ehr", { key: own, header: { jku: "https://127.0.0.1:9/keys" } })));
await expect("kid", ask(await assertion("ehr", { key: own, header: { kid: "../../ehr" } })));
await expect("x5c of another", ask(await assertion("ehr", { key: "other" })));
await expect("no x5c", ask(await assertion("ehr", { header: { x5c: [] } })));
await expect("x5c that is no certificate", ask(await assertion("ehr", { header: { x5c: ["AAAA"] } })));
await expect("x5c in base64url", ask(await assertion("ehr", { header: { x5c: [Buffer.from(x5c("ehr")[0], "base64").toString("base64url") + "_"] } })));
await expect("nine certificates", ask(await assertion("ehr", { header: { x5c: Array(9).fill(x5c("ehr")[0]) } })));
await expect("the CA first", ask(await assertion("ehr", { header: { x5c: [...x5c("ehr")].reverse() } })));
await expect("without its CA", ask(await assertion("ehr", { header: { x5c: [x5c("ehr")[0]] } })));

// Certificates.
await expect("expired leaf", ask(await assertion("expired")));
await expect("revoked leaf", ask(await assertion("revoked")));
await expect("expired leaf, signature of another", ask(await assertion("expired", { key: "other" })));
await expect("revoked leaf, no signature", ask(changed(await assertion("revoked"), 2, "")));
await expect("wrong audience, signature of another", ask(await assertion("ehr", { changes: { aud: "https://other.example" }, key: "other" })));
await expect("leaf of a device", ask(await assertion("device")));
await expect("leaf of no client", ask(await assertion("stranger")));
await expect("leaf of a suspended client", ask(await assertion("suspended")));
await expect("leaf of another environment", ask(await assertion("production")));

// Signature and form.
await expect("another payload", ask(changed(good, 1, encoded(claims("ehr")))));
await expect("another header", ask(changed(good, 0, encoded({ alg: "ES256", x5c: x5c("ehr"), typ: "JWT" }))));
await expect("no signature", ask(changed(await assertion("ehr"), 2, "")));
await expect("signature with padding", ask(`${await assertion("ehr")}=`));
await expect("signature in der", ask(changed(await assertion("ehr"), 2, encoded("0E\u0002"))));
await expect("two parts", ask(good.split(".").slice(0, 2).join(".")));
await expect("five parts", ask(`${good}.a.b`));
await expect("no json", ask(`${encoded("no")}.${encoded(claims("ehr"))}.AA`));
await expect("crit", ask(unsigned({ alg: "ES256", x5c: x5c("ehr"), crit: ["exp"], exp: 1 }, claims("ehr"), "AA")));
await expect("b64", ask(unsigned({ alg: "ES256", x5c: x5c("ehr"), b64: false }, claims("ehr"), "AA")));
await expect("encrypted", ask(unsigned({ alg: "ES256", enc: "A128GCM", x5c: x5c("ehr") }, claims("ehr"), "AA")));
await expect("oversized", ask(await assertion("ehr", { changes: { padding: "x".repeat(17000) } })));
await expect("claims are a list", ask(await new jose.CompactSign(Buffer.from("[]")).setProtectedHeader({ alg: "ES256", x5c: x5c("ehr") }).sign(await privateKey("ehr", "ES256"))));
await expect("iss twice", ask(await new jose.CompactSign(Buffer.from(JSON.stringify(claims("ehr")).replace("{", '{"iss":"rsa",'))).setProtectedHeader({ alg: "ES256", x5c: x5c("ehr") }).sign(await privateKey("ehr", "ES256"))));

// Claims.
const wrong = (changes) => assertion("ehr", { changes });
await expect("iss of another", ask(await wrong({ iss: "rsa" })));
await expect("sub of another", ask(await wrong({ sub: "rsa" })));
await expect("no iss", ask(await wrong({ iss: undefined })));
await expect("aud of another server", ask(await wrong({ aud: "https://other.example/oauth/token" })));
await expect("aud of the resources", ask(await wrong({ aud: `${input.issuer}/fhir` })));
await expect("aud with a slash", ask(await wrong({ aud: `${tokenEndpoint}/` })));
await expect("no aud", ask(await wrong({ aud: undefined })));
await expect("expired", ask(await wrong({ iat: now() - 400, exp: now() - 120 })));
await expect("clock ahead", ask(await wrong({ iat: now() + 300, exp: now() + 500 })));
await expect("not yet", ask(await wrong({ nbf: now() + 300 })));
await expect("an hour", ask(await wrong({ exp: now() + 3600 })));
await expect("old and long", ask(await wrong({ iat: now() - 400, exp: now() + 60 })));
await expect("exp as text", ask(await wrong({ exp: String(now() + 100) })));
await expect("no exp", ask(await wrong({ exp: undefined })));
await expect("no iat", ask(await wrong({ iat: undefined })));
await expect("no jti", ask(await wrong({ jti: undefined })));
await expect("empty jti", ask(await wrong({ jti: "" })));
await expect("long jti", ask(await wrong({ jti: "x".repeat(257) })));
await expect("b2b without a purpose", ask(await wrong({ extensions: { "hl7-b2b": { version: "1", organization_id: "a" } } })));

// Replay: for a second token, with another client id, at the other endpoint.
const once = await assertion("ehr");
await expect("first use", ask(once));
await expect("replayed", ask(once));
await expect("replayed as another", ask(once, { client_id: "rsa" }));
const give = (text) => post(null, "/oauth/revoke", { token: "x", client_assertion_type: jwtBearer, client_assertion: text });
await expect("replayed at revocation", give(once));
const given = await assertion("ehr");
await expect("used at revocation", give(given));
await expect("replayed at the token endpoint", ask(given));

// Requests.
await expect("client_id of another", ask(await assertion("ehr"), { client_id: "rsa" }));
await expect("assertion type", ask(await assertion("ehr"), { client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:saml2-bearer" }));
await expect("assertion and secret", ask(await assertion("ehr"), { client_id: "ehr", client_secret: "x" }));
await expect("type without assertion", post(null, "/oauth/token", { grant_type: "client_credentials", client_assertion_type: jwtBearer }));
await expect("no grant type", post("ehr", "/oauth/token", { client_id: "ehr" }));
await expect("password", post("ehr", "/oauth/token", { grant_type: "password", username: "a", password: "b" }));
await expect("refresh token", post("ehr", "/oauth/token", { grant_type: "refresh_token", refresh_token: "a" }));
await expect("grant type twice", post("ehr", "/oauth/token", "grant_type=client_credentials&grant_type=client_credentials"));
await expect("json", post("ehr", "/oauth/token", "{}", { "content-type": "application/json" }));
await expect("scope of a patient", post("ehr", "/oauth/token", { grant_type: "client_credentials", scope: "patient/Observation.rs openid" }));
await expect("scope that is not its own", post("ehr", "/oauth/token", { grant_type: "client_credentials", scope: "system/Patient.rs" }));
await expect("no certificate", post(null, "/oauth/token", { grant_type: "client_credentials", client_id: "ehr" }));
await expect("certificate of no client", post("stranger", "/oauth/token", { grant_type: "client_credentials" }));
await expect("certificate of another", post("other", "/oauth/token", { grant_type: "client_credentials", client_id: "ehr" }));
await expect("expired certificate", post("expired", "/oauth/token", { grant_type: "client_credentials" }));
await expect("revoked certificate", post("revoked", "/oauth/token", { grant_type: "client_credentials" }));
await expect("certificate of a suspended client", post("suspended", "/oauth/token", { grant_type: "client_credentials" }));
await expect("wrong secret", post("ehr", "/oauth/token", { grant_type: "client_credentials", client_id: "ehr", client_secret: "wrong" }));
await expect("assertion beside a revoked certificate", ask(await assertion("ehr"), {}, "revoked"));
await expect("body too large", post("ehr", "/oauth/token", { grant_type: "client_credentials", padding: "x".repeat(70000) }));

// Nothing that was shown is repeated.
for (const result of Object.values(results)) {
  delete result.token;
}
console.log(JSON.stringify(results));
process.exit(0);
