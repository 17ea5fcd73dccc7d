// What the clients of OAuth 2.0 share. A program gets PACKAGES as its argument, and on standard input one JSON object:
//
// issuer: the base URL in the configuration; address: where the platform listens; roots: its CAs;
// clients: by name, the files chain and key of a certificate.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createPrivateKey } from "node:crypto";

const [packages] = process.argv.slice(2);
const require = createRequire(`${packages}/package.json`);
export const oauth = await import(`${packages}/node_modules/oauth4webapi/build/index.js`);
export const jose = await import(`${packages}/node_modules/jose/dist/webapi/index.js`);
const { Agent, request } = require("undici");

export const input = JSON.parse(readFileSync(0, "utf8"));
const ca = readFileSync(input.roots);
const agents = new Map();

/// The files of a client's certificate.
const files = (name) => {
  const { chain, key } = input.clients[name];
  return { cert: readFileSync(chain), key: readFileSync(key) };
};

const agent = (name) => {
  if (!agents.has(name)) {
    const connect = name === null ? { ca } : { ca, ...files(name) };
    agents.set(name, new Agent({ connect, keepAliveTimeout: 1 }));
  }
  return agents.get(name);
};

/// fetch with the certificate of a client, or with none. The platform listens on a port that its configuration does not name.
export const fetching = (name) => (url, options = {}) =>
  fetch(String(url).replace(input.issuer, input.address), { ...options, dispatcher: agent(name) });

/// A request as the browser of a person makes it: fetch would say of itself that it is none that the person has begun.
export const browsing = (name) => async (url, options = {}) => {
  const { statusCode, headers, body } = await request(String(url).replace(input.issuer, input.address), {
    ...options, dispatcher: agent(name),
  });
  const pairs = Object.entries(headers).flatMap(([key, value]) => [value].flat().map((one) => [key, one]));
  const response = { status: statusCode, headers: new Headers(pairs), text: () => body.text(), json: () => body.json() };
  return response;
};

/// The header x5c of a client.
export const x5c = (name) => {
  const text = readFileSync(input.clients[name].chain, "utf8");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return blocks.map((block) => block.replace(/-----[A-Z ]+-----|\s/g, ""));
};

/// The private key of a client, for an algorithm.
export const privateKey = async (name, algorithm) => {
  const pem = createPrivateKey(readFileSync(input.clients[name].key)).export({ type: "pkcs8", format: "pem" });
  return jose.importPKCS8(pem, algorithm, { extractable: true });
};

export const tokenEndpoint = `${input.issuer}/oauth/token`;
export const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Posts a form, and says what came back: the reason is what the description begins with.
export const post = async (name, path, parameters, headers = {}) => {
  const body = typeof parameters === "string" ? parameters : new URLSearchParams(parameters).toString();
  const type = { "content-type": "application/x-www-form-urlencoded" };
  const response = await fetching(name)(`${input.issuer}${path}`, { method: "POST", body, headers: { ...type, ...headers } });
  const text = await response.text();
  let answer = {};
  try {
    answer = JSON.parse(text);
  } catch {}
  const reason = answer.error_description?.split(":")[0];
  return { status: response.status, error: answer.error, reason, token: answer.access_token, scope: answer.scope };
};
