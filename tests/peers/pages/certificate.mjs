// Opens pages over TLS in Chromium, whose profile has the certificate of a person, or none.
//
//     node certificate.mjs PROFILE URL...
//
// HOME is a folder with the NSS database (.pki/nssdb). For each URL: a line of JSON with the status, who reads the page, and its text.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.PCD_PAGES_MODULES ?? process.cwd(), "node_modules", "x"));
const { chromium } = require("playwright-core");

const [profile, ...urls] = process.argv.slice(2);
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.PCD_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  env: process.env,
  timeout: 120_000,
});
context.setDefaultTimeout(120_000);
const page = await context.newPage();
for (const url of urls) {
  try {
    const response = await page.goto(url);
    const who = await page.locator(".who").innerText();
    const text = await page.locator("main").innerText();
    console.log(JSON.stringify({ url, status: response.status(), who, text }));
  } catch (error) {
    console.log(JSON.stringify({ url, error: error.message }));
  }
}
await context.close();
