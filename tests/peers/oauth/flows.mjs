// oauth4webapi gets tokens by certificate and by assertion, reads with them, and gives them back.
//
// usage: flows.mjs PACKAGES < INPUT. Prints one line of JSON.

import { fetching, input, oauth, privateKey, x5c } from "./common.mjs";

const issuer = new URL(input.issuer);
const with_ = (name) => ({ [oauth.customFetch]: fetching(name) });
const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...with_(null) });
const server = await oauth.processDiscoveryResponse(issuer, found);
const printed = { metadata: server };
printed.smart = await (await fetching(null)(`${input.issuer}/fhir/.well-known/smart-configuration`)).json();

const read = async (token, name, path = "/fhir/Observation?_id=nothing") => {
  const url = new URL(`${input.issuer}${path}`);
  try {
    const response = await oauth.protectedResourceRequest(token, "GET", url, undefined, undefined, with_(name));
    return { status: response.status };
  } catch (error) {
    const challenge = error.cause?.find?.((one) => one.scheme === "bearer");
    return { status: error.status, error: challenge?.parameters?.error };
  }
};

const grant = async (id, authentication, name, scope) => {
  const client = { client_id: id };
  const parameters = new URLSearchParams(scope ? { scope } : {});
  const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, with_(name));
  return oauth.processClientCredentialsResponse(server, client, response);
};

// RFC 8705: the certificate is the credential, and the token is bound to it.
const byCertificate = await grant("ehr", oauth.TlsClientAuth(), "ehr", "system/Observation.rs");
printed.certificate = {
  scope: byCertificate.scope,
  lifetime: byCertificate.expires_in,
  own: await read(byCertificate.access_token, "ehr"),
  other: await read(byCertificate.access_token, "other"),
  none: await read(byCertificate.access_token, null),
  wrong: await read(`${byCertificate.access_token}x`, "ehr"),
  beyond: await read(byCertificate.access_token, "ehr", "/fhir/Patient/unknown"),
};

// RFC 7523 with x5c, over a connection without a certificate.
printed.assertions = {};
for (const [name, algorithm] of [["rsa", "RS256"], ["rsa", "RS384"], ["ehr", "ES256"], ["p384", "ES384"]]) {
  const key = await privateKey(name, algorithm);
  const chain = x5c(name);
  const authentication = oauth.PrivateKeyJwt(key, {
    [oauth.modifyAssertion](header, payload) {
      header.x5c = chain;
      payload.extensions = {
        "hl7-b2b": { version: "1", organization_id: "urn:oid:1.2.3", purpose_of_use: ["TREAT"] },
      };
    },
  });
  const token = await grant(name, authentication, null);
  printed.assertions[algorithm] = { scope: token.scope, read: await read(token.access_token, null) };
}
const bound = oauth.PrivateKeyJwt(await privateKey("ehr", "ES256"), {
  [oauth.modifyAssertion](header) {
    header.x5c = x5c("ehr");
  },
});
const boundToken = await grant("ehr", bound, "other");
printed.bound = {
  own: await read(boundToken.access_token, "other"),
  other: await read(boundToken.access_token, "ehr"),
};

// RFC 7009.
const revoke = async (token, name) => {
  const client = { client_id: name };
  const response = await oauth.revocationRequest(server, client, oauth.TlsClientAuth(), token, with_(name));
  await oauth.processRevocationResponse(response);
};
await revoke(byCertificate.access_token, "other");
printed.ofOther = await read(byCertificate.access_token, "ehr");
await revoke(byCertificate.access_token, "ehr");
printed.revoked = await read(byCertificate.access_token, "ehr");
console.log(JSON.stringify(printed));
process.exit(0);
