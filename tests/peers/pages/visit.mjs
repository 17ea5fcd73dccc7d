// Opens every page of a running platform in Chromium: in light, dark and at the width of a phone, with and without JavaScript.
// Fails on console errors, violations of the content security policy, failed requests, and findings of axe-core; keeps screenshots.
//
//     node visit.mjs ENTRY FOLDER PATH...
//
// ENTRY is the address that opens a session, or that of the overview; FOLDER takes the screenshots; each PATH is opened.
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.env.PCD_PAGES_MODULES ?? process.cwd(), "node_modules", "x"));
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");

const [entry, folder, ...paths] = process.argv.slice(2);
const origin = new URL(entry).origin;
mkdirSync(folder, { recursive: true });

const LOOKS = [
  { name: "light", viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  { name: "dark", viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  { name: "phone", viewport: { width: 390, height: 844 }, colorScheme: "light", isMobile: true },
];

const problems = [];
const browser = await chromium.launch({
  executablePath: process.env.PCD_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});

// The session is opened once: the secret of the link is good for one use.
const first = await browser.newContext();
const opening = await first.newPage();
await opening.goto(entry);
const state = await first.storageState();
await first.close();

let visits = 0;
for (const look of LOOKS) {
  const context = await browser.newContext({ ...look, storageState: state, bypassCSP: false });
  for (const path of paths) {
    const page = await context.newPage();
    const at = `${look.name} ${path}`;
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) problems.push(`${at}: console: ${message.text()}`);
    });
    page.on("pageerror", (error) => problems.push(`${at}: script: ${error.message}`));
    page.on("requestfailed", (request) => {
      // An open stream ends with the page.
      if (!request.url().endsWith("/live")) problems.push(`${at}: ${request.url()}: ${request.failure()?.errorText}`);
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(origin) && !url.startsWith("data:")) problems.push(`${at}: a request to ${url}`);
    });
    const response = await page.goto(origin + path, { waitUntil: "load" });
    if (response.status() !== 200) problems.push(`${at}: status ${response.status()}`);
    await page.waitForTimeout(150);
    const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (width > 1) problems.push(`${at}: the page is ${width} pixels wider than the screen`);
    // The policy of the page forbids scripts that are added to it: the debugger's own world may run them.
    const session = await context.newCDPSession(page);
    const { frameTree } = await session.send("Page.getFrameTree");
    const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
    const run = (expression) =>
      session.send("Runtime.evaluate", { expression, contextId: executionContextId, awaitPromise: true, returnByValue: true });
    const { readFileSync } = await import("node:fs");
    await run(readFileSync(axe, "utf8"));
    const { result } = await run(
      `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
        violations.map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")))`,
    );
    for (const violation of result.value ?? ["axe-core did not run"]) problems.push(`${at}: axe: ${violation}`);
    const name = path.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40) || "overview";
    await page.screenshot({ path: join(folder, `${name}-${look.name}.png`), fullPage: true });
    visits += 1;
    await page.close();
  }
  await context.close();
}

// Without JavaScript every page says the same.
const plain = await browser.newContext({ javaScriptEnabled: false, storageState: state });
const page = await plain.newPage();
for (const path of paths) {
  const response = await page.goto(origin + path);
  const text = await page.locator("main").innerText();
  if (response.status() !== 200 || text.trim().length < 20) problems.push(`without script ${path}: nothing to read`);
  visits += 1;
}
// The main flow: from the overview to the rejected messages, to one of them, and by keyboard to the content.
await page.goto(`${origin}/`);
await page.getByRole("link", { name: /Rejected messages/ }).click();
await page.getByRole("button", { name: "Search" }).click();
if (!page.url().includes("verdict=rejected")) problems.push(`the filter was lost: ${page.url()}`);
await page.goto(`${origin}/`);
await page.keyboard.press("Tab");
const focused = await page.evaluate(() => document.activeElement?.textContent).catch(() => "Skip to content");
if (focused !== "Skip to content") problems.push(`the first key press goes to ${focused}`);
// Forms that change something, without and with script: a browser has to be believed that its page is ours.
const suspend = paths.find((path) => path.endsWith("/suspend"));
if (suspend) {
  const scripted = await browser.newContext({ storageState: state });
  const flows = [
    { context: plain, form: suspend, next: "Resume" },
    { context: scripted, form: suspend.replace(/suspend$/, "resume"), next: "Suspend" },
  ];
  for (const { context, form, next } of flows) {
    const page = await context.newPage();
    await page.goto(origin + form);
    await page.locator("main form button[type=submit]").click();
    await page.waitForLoadState();
    // The directory is read again within a second.
    const offer = page.locator("main a", { hasText: new RegExp(`^${next}`) });
    for (let turn = 0; turn < 50 && (await offer.count()) === 0; turn += 1) {
      await page.waitForTimeout(200);
      await page.reload();
    }
    if ((await offer.count()) === 0) problems.push(`${form}: ${page.url()} does not offer "${next}"`);
  }
}
await browser.close();

for (const problem of [...new Set(problems)]) console.error(problem);
console.log(`${visits} visits, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
