// jose and oauth4webapi register a client with a signed software statement, and get tokens as that client.
//
// usage: registration.mjs PACKAGES < INPUT. `step` of the input says what is done. Prints one line of JSON.

import { fetching, input, jose, jwtBearer, oauth, post, privateKey, x5c } from "./common.mjs";

const endpoint = `${input.issuer}/oauth/register`;
const uri = (name) => `https://${name}.example/fhir`;
const now = () => Math.floor(Date.now() / 1000);
const statement = async (name, changes = {}, { key = name, header = {} } = {}) => {
  const all = {
    iss: uri(name),
    sub: uri(name),
    aud: endpoint,
    iat: now(),
    exp: now() + 240,
    jti: crypto.randomUUID(),
    client_name: "Electronic Health Record",
    contacts: ["mailto:it@hospital.example"],
    grant_types: ["client_credentials"],
    token_endpoint_auth_method: "private_key_jwt",
    ...changes,
  };
  const claims = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  const protectedHeader = { alg: "ES256", x5c: x5c(name), ...header };
  return new jose.SignJWT(claims).setProtectedHeader(protectedHeader).sign(await privateKey(key, "ES256"));
};
const register = async (software_statement, body = { udap: "1" }, type = "application/json") => {
  const options = { method: "POST", headers: { "content-type": type }, body: JSON.stringify({ software_statement, ...body }) };
  const response = await fetching(null)(endpoint, options);
  const answer = await response.json();
  const reason = answer.error_description?.split(":")[0];
  return { status: response.status, ...answer, reason };
};
const token = async (id, name) => {
  const client_assertion = await new jose.SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: "ES256", x5c: x5c(name) })
    .setIssuer(id)
    .setSubject(id)
    .setAudience(`${input.issuer}/oauth/token`)
    .setIssuedAt()
    .setExpirationTime("4m")
    .sign(await privateKey(name, "ES256"));
  return post(null, "/oauth/token", { grant_type: "client_credentials", client_assertion, client_assertion_type: jwtBearer });
};

const printed = {};
if (input.step === "register") {
  const made = await statement("app", { scope: "system/Observation.rs system/Patient.rs" });
  printed.registered = await register(made);
  printed.unmodified = printed.registered.software_statement === made;
  printed.replayed = await register(made);
  printed.again = await register(await statement("app", { client_name: "EHR 2" }));
  printed.pending = await token(printed.registered.client_id, "app");
  const issuer = new URL(input.issuer);
  const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", [oauth.customFetch]: fetching(null) });
  printed.metadata = await oauth.processDiscoveryResponse(issuer, found);
  const udap = await fetching(null)(`${input.issuer}/fhir/.well-known/udap?community=hospital`);
  printed.udap = await udap.json();
  const signed = printed.udap.signed_metadata;
  const header = jose.decodeProtectedHeader(signed);
  const key = await jose.importX509(`-----BEGIN CERTIFICATE-----\n${header.x5c[0]}\n-----END CERTIFICATE-----`, "RS256");
  printed.signed = (await jose.jwtVerify(signed, key, { issuer: `${input.issuer}/fhir` })).payload;
  printed.otherCommunity = (await fetching(null)(`${input.issuer}/fhir/.well-known/udap?community=other`)).status;
  const { privateKey: own } = await jose.generateKeyPair("ES256");
  const wrong = async (changes, more) => register(await statement("app", changes, more));
  printed.wrong = {
    "x5c of another": await wrong({}, { key: "ehr" }),
    "none": await register(`${(await statement("app")).split(".").slice(0, 2).join(".")}.`),
    "iss outside of the certificate": await wrong({ iss: "https://other.example", sub: "https://other.example" }),
    "sub of another": await wrong({ sub: uri("other") }),
    "aud of the token endpoint": await wrong({ aud: `${input.issuer}/oauth/token` }),
    "an hour": await wrong({ exp: now() + 3600 }),
    "expired": await wrong({ iat: now() - 400, exp: now() - 120 }),
    "no jti": await wrong({ jti: undefined }),
    "no contact": await wrong({ contacts: [] }),
    "no name": await wrong({ client_name: undefined }),
    "implicit": await wrong({ grant_types: ["implicit"] }),
    "redirect": await wrong({ redirect_uris: ["https://app.example/callback"] }),
    "scope": await wrong({ scope: "system/Patient.rs" }),
    "no udap": await register(await statement("app"), {}),
    "a form": await register(await statement("app"), { udap: "1" }, "application/x-www-form-urlencoded"),
    "revoked": await register(await statement("revoked")),
    "device": await register(await statement("device")),
    "nothing to cancel": await register(await statement("app2", { grant_types: [] })),
    "too many": await register(await statement("app2")),
  };
} else if (input.step === "token") {
  printed.token = await token(input.client, "app");
  printed.ofOther = await token(input.client, "app2");
  printed.wider = await register(await statement("app", { scope: "system/*.rs" }));
} else {
  const changed = await register(await statement("app", { grant_types: [], contacts: [] }));
  printed.cancelled = changed;
  printed.token = await token(input.client, "app");
}
console.log(JSON.stringify(printed));
process.exit(0);
