// oauth4webapi gets a token with an authorization code, and reads with it; a person's browser is fetch with a certificate.
//
// usage: code.mjs PACKAGES < INPUT. `step` of the input says what is done. Prints one line of JSON.

import { fetching, input, oauth, privateKey, x5c } from "./common.mjs";
import { allowed, ask, callback, decide, exchange, known, pkce, read, register, wanted } from "./people.mjs";

const printed = {};
const { person = "ada" } = input;
if (input.step === "register") {
  for (const name of ["app", "app2"]) {
    printed[name] = await register(name);
    await known(person, name, printed[name].client_id);
  }
} else if (input.step === "flow") {
  const issuer = new URL(input.issuer);
  const with_ = { [oauth.customFetch]: fetching(null) };
  const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...with_ });
  const server = await oauth.processDiscoveryResponse(issuer, found);
  printed.metadata = server;
  printed.smart = await (await fetching(null)(`${input.issuer}/fhir/.well-known/smart-configuration`)).json();
  const client = { client_id: input.client };
  const verifier = oauth.generateRandomCodeVerifier();
  const challenge = await oauth.calculatePKCECodeChallenge(verifier);
  const state = oauth.generateRandomState();
  const url = new URL(server.authorization_endpoint);
  wanted("app", input.client, challenge, { state }).forEach(([name, value]) => url.searchParams.set(name, value));
  const page = await ask(person, url.search.slice(1));
  printed.page = { status: page.status, headers: page.headers, text: page.text };
  const answer = await decide(person, { authorization: page.value, decision: "allow" });
  printed.answer = { status: answer.status, to: answer.to, headers: answer.headers, from: new URL(answer.location).searchParams.get("from") };
  const parameters = oauth.validateAuthResponse(server, client, new URL(answer.location), state);
  const authentication = oauth.PrivateKeyJwt(await privateKey("app", "ES256"), {
    [oauth.modifyAssertion](header) {
      header.x5c = x5c("app");
    },
  });
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, authentication, parameters, callback("app"), verifier, with_,
  );
  const token = await oauth.processAuthorizationCodeResponse(server, client, response);
  printed.token = token;
  printed.read = await read(token.access_token);
  printed.beyond = await read(token.access_token, null, "/fhir/Device?_id=nothing");
  const page2 = await ask(person, wanted("app", input.client, challenge));
  const denied = await decide(person, { authorization: page2.value, decision: "deny" });
  printed.denied = { to: denied.to, error: denied.error, reason: denied.reason, state: denied.state, iss: denied.iss };
} else if (input.step === "ask") {
  const { verifier, challenge } = pkce();
  const page = await ask(person, wanted("app", input.client, challenge, input.changes ?? {}));
  Object.assign(printed, { verifier, status: page.status, value: page.value, reason: page.reason, error: page.error });
} else if (input.step === "decide") {
  Object.assign(printed, await decide(person, { authorization: input.value, decision: "allow" }));
} else if (input.step === "exchange") {
  Object.assign(printed, await exchange(input.name ?? "app", input.client, input.code, input.verifier));
} else if (input.step === "allow") {
  const { verifier, challenge } = pkce();
  printed.verifier = verifier;
  printed.code = await allowed(person, "app", input.client, challenge);
} else {
  const { verifier, challenge } = pkce();
  printed.granted = await exchange("app", input.client, await allowed(person, "app", input.client, challenge), verifier);
}
console.log(JSON.stringify(printed));
process.exit(0);
