// Validates dashboards by the types of Grafana's own schema, and fails for a property that it does not know.
//
//     node dashboards.mjs MODULES FILE...
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const [named, ...files] = process.argv.slice(2);
const modules = realpathSync(named);
// Beside the modules: the compiler looks for them from there upwards.
const folder = mkdtempSync(join(modules, "dashboards-"));
try {
  const sources = files.map((file, number) => {
    const source = join(folder, `${number}.ts`);
    // Annotations of Prometheus have more than the general schema.
    writeFileSync(
      source,
      `import type { AnnotationQuery, Dashboard } from "@grafana/schema";
type Annotations = { list: (AnnotationQuery & { expr?: string; titleFormat?: string; textFormat?: string })[] };
type Known = Omit<Dashboard, "annotations"> & { annotations?: Annotations };
export const dashboard: Known = ${readFileSync(file, "utf8")};
`,
    );
    return source;
  });
  const options = "--noEmit --strict --skipLibCheck --moduleResolution bundler --module esnext --target es2022".split(" ");
  const compiler = join(modules, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [compiler, ...options, ...sources], { stdio: "inherit" });
  for (const file of files) console.log(`${basename(file)} is valid`);
} finally {
  rmSync(folder, { recursive: true });
}
