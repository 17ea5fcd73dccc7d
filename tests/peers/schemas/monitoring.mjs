// Validates resources of the Prometheus operator by its schemas.
//
//     node monitoring.mjs MODULES < JSON      the input is a list of resources
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules] = process.argv.slice(2);
const models = "node_modules/@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index.js";
const kinds = await import(pathToFileURL(join(resolve(modules), models)));
let input = "";
for await (const part of process.stdin) input += part;
for (const resource of JSON.parse(input)) {
  new kinds[resource.kind](resource).validate();
  console.log(`${resource.kind} ${resource.metadata.name} is valid`);
}
