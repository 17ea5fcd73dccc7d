// Makes an assertion with jose.
//
// usage: assertion.mjs PACKAGES < INPUT. Prints one line of JSON.

import { jose, privateKey, tokenEndpoint, x5c } from "./common.mjs";

const assertion = await new jose.SignJWT({ jti: crypto.randomUUID() })
  .setProtectedHeader({ alg: "ES256", x5c: x5c("ehr") })
  .setIssuer("ehr")
  .setSubject("ehr")
  .setAudience(tokenEndpoint)
  .setIssuedAt()
  .setExpirationTime("4m")
  .sign(await privateKey("ehr", "ES256"));
console.log(JSON.stringify({ assertion }));
process.exit(0);
