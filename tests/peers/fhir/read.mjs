// Reads with fhir-kit-client, which is not ours: metadata, searches with pages, reads, histories.
//
// usage: read.mjs PACKAGES BASE ROOTS CHAIN KEY SYSTEM VALUE
//
// Prints one line of JSON.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packages, baseUrl, roots, chain, key, system, value] = process.argv.slice(2);
const require = createRequire(`${packages}/package.json`);
const { Client } = await import(`${packages}/node_modules/fhir-kit-client/dist/index.js`);
const { Agent } = require("undici");
const connect = { ca: readFileSync(roots), cert: readFileSync(chain), key: readFileSync(key) };
const client = new Client({ baseUrl, requestOptions: { dispatcher: new Agent({ connect }) } });

const statement = await client.capabilityStatement();
const patients = await client.search({
  resourceType: "Patient",
  searchParams: { identifier: `${system}|${value}` },
});
const patient = patients.entry[0].resource.id;
const observations = [];
let pages = 0;
let bundle = await client.search({
  resourceType: "Observation",
  searchParams: { patient, _count: 2 },
  options: { postSearch: true },
});
while (bundle) {
  pages += 1;
  observations.push(...(bundle.entry ?? []).map((entry) => entry.resource.id));
  bundle = await client.nextPage({ bundle });
}
const devices = await client.search({ resourceType: "Device", searchParams: {} });
const device = devices.entry[0].resource.id;
const history = await client.history({ resourceType: "Device", id: device });
const version = await client.vread({ resourceType: "Device", id: device, version: "1" });
let refused = null;
try {
  await client.create({ resourceType: "Observation", body: { resourceType: "Observation" } });
} catch (error) {
  refused = error.response?.status ?? String(error);
}
console.log(
  JSON.stringify({
    version: statement.fhirVersion,
    patient,
    observations,
    pages,
    history: history.entry.length,
    vread: version.meta.versionId,
    refused,
  }),
);
