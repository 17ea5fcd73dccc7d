// What the programs about authorization codes share: an application, and the browser of a person.

import { createHash, randomBytes } from "node:crypto";
import { browsing, fetching, input, jose, jwtBearer, post, privateKey, tokenEndpoint, x5c } from "./common.mjs";

export const callback = (name) => `https://${name}.example/callback?from=platform`;
const now = () => Math.floor(Date.now() / 1000);
const jwt = async (name, claims) =>
  new jose.SignJWT({ iat: now(), exp: now() + 240, jti: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg: "ES256", x5c: x5c(name) })
    .sign(await privateKey(name, "ES256"));

/// Registers a client; `changes` are of its statement.
export const register = async (name, changes = {}) => {
  const uri = `https://${name}.example/fhir`;
  const software_statement = await jwt(name, {
    iss: uri,
    sub: uri,
    aud: `${input.issuer}/oauth/register`,
    client_name: `Application <b>${name}</b>`,
    contacts: ["mailto:it@hospital.example"],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    redirect_uris: [callback(name)],
    token_endpoint_auth_method: "private_key_jwt",
    scope: "system/Observation.rs system/Device.rs",
    ...changes,
  });
  const options = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ software_statement, udap: "1" }),
  };
  const response = await fetching(null)(`${input.issuer}/oauth/register`, options);
  const answer = await response.json();
  return { status: response.status, ...answer, reason: answer.error_description?.split(":")[0] };
};

export const assertion = (name, id) => jwt(name, { iss: id, sub: id, aud: tokenEndpoint });

export const pkce = () => {
  const verifier = randomBytes(32).toString("base64url");
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
};

/// The parameters of a good request.
export const wanted = (name, id, challenge, changes = {}) => {
  const all = {
    response_type: "code",
    client_id: id,
    redirect_uri: callback(name),
    scope: "system/Observation.rs",
    state: "a state & more",
    code_challenge: challenge,
    code_challenge_method: "S256",
    ...changes,
  };
  return Object.entries(all).filter(([, value]) => value !== undefined);
};

/// What a browser gets: a page with its code or the value of its form, or the way back.
const seen = async (response) => {
  const text = await response.text();
  const location = response.headers.get("location");
  const parameters = location ? new URL(location).searchParams : new URLSearchParams();
  const field = (name) => parameters.get(name) ?? undefined;
  return {
    status: response.status,
    location: location ?? undefined,
    to: location?.split("?")[0],
    error: field("error"),
    reason: field("error_description")?.split(":")[0] ?? text.match(/Code: <code>([^<]*)</)?.[1],
    code: field("code"),
    state: field("state"),
    iss: field("iss"),
    value: text.match(/name="authorization" value="([^"]*)"/)?.[1],
    headers: Object.fromEntries(response.headers),
    text,
  };
};

const opened = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

/// A person's browser at the authorization endpoint. `query`: a text, or pairs. `headers`: what it says of the request.
export const ask = async (person, query, headers = opened) => {
  const text = typeof query === "string" ? query : new URLSearchParams(query).toString();
  return seen(await browsing(person)(`${input.issuer}/oauth/authorize?${text}`, { headers }));
};

/// The person checks the box, where there is something to allow, and presses a button.
export const decide = async (person, parameters, more = { "sec-fetch-site": "same-origin" }) => {
  const { decision } = parameters;
  const agreed = decision === "allow" ? { agreed: "yes" } : {};
  const body = typeof parameters === "string" ? parameters : new URLSearchParams({ ...agreed, ...parameters }).toString();
  const headers = { "content-type": "application/x-www-form-urlencoded", ...more };
  return seen(await browsing(person)(`${input.issuer}/oauth/decide`, { method: "POST", body, headers }));
};

/// A code, as a person allows it.
export const allowed = async (person, name, id, challenge, changes = {}) => {
  const page = await ask(person, wanted(name, id, challenge, changes));
  if (!page.value) throw new Error(JSON.stringify(page));
  const answer = await decide(person, { authorization: page.value, decision: "allow" });
  if (!answer.code) throw new Error(JSON.stringify(answer));
  return answer.code;
};

/// The application asks for a token.
export const exchange = async (name, id, code, verifier, changes = {}, certificate = null) => {
  const all = {
    grant_type: "authorization_code",
    code,
    code_verifier: verifier,
    redirect_uri: callback(name),
    client_assertion_type: jwtBearer,
    client_assertion: await assertion(name, id),
    ...changes,
  };
  const parameters = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return post(certificate, "/oauth/token", parameters);
};

export const read = async (token, name = null, path = "/fhir/Observation?_id=nothing") => {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetching(name)(`${input.issuer}${path}`, { headers });
  const answer = await response.json();
  return { status: response.status, code: answer.issue?.[0]?.diagnostics, challenge: response.headers.get("www-authenticate") };
};

/// Waits until an application is known: a registration counts within a second.
export const known = async (person, name, id) => {
  for (let tries = 0; tries < 100; tries += 1) {
    const page = await ask(person, wanted(name, id, pkce().challenge, { code_challenge_method: "plain" }));
    if (page.reason !== "application-unknown") return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${name} is not known`);
};
