// A person with a certificate presses a button of the page that asks, in Chromium.
//
//     node authorize.mjs PROFILE URL BUTTON CALLBACK
//
// HOME is a folder with the NSS database (.pki/nssdb). The address CALLBACK is answered here. Prints one line of JSON: the page, what
// it loaded, and where the button has led.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.PCD_PAGES_MODULES ?? process.cwd(), "node_modules", "x"));
const { chromium } = require("playwright-core");

const [profile, url, button, callback] = process.argv.slice(2);
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.PCD_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  env: process.env,
  timeout: 120_000,
});
context.setDefaultTimeout(60_000);
await context.route(`${callback}**`, (route) => route.fulfill({ contentType: "text/html", body: "<p>back</p>" }));
const page = await context.newPage();
const printed = { requests: [], errors: [] };
page.on("request", (request) => printed.requests.push([request.method(), request.url(), request.headers().referer ?? null]));
page.on("console", (message) => printed.errors.push(message.text()));
page.on("pageerror", (error) => printed.errors.push(error.message));
try {
  const response = await page.goto(url);
  printed.status = response.status();
  printed.title = await page.title();
  printed.text = await page.locator("main").innerText();
  printed.font = await page.evaluate(() => getComputedStyle(document.body).maxWidth);
  // No other page shows it in a frame.
  const frame = await context.newPage();
  await context.route("https://frame.example/", (route) =>
    route.fulfill({ contentType: "text/html", body: `<iframe src="${url}"></iframe>` }),
  );
  const refused = [];
  frame.on("console", (message) => refused.push(message.text()));
  await frame.goto("https://frame.example/");
  await frame.waitForTimeout(1000);
  const inner = frame.frames()[1];
  printed.framed = await inner.locator("button").count().catch(() => 0);
  printed.frameRefused = refused.some((text) => text.includes("frame"));
  if (button) {
    await page.getByRole("button", { name: button }).click();
    await page.waitForURL((at) => at.href.startsWith(callback));
    printed.location = page.url();
  }
} catch (error) {
  printed.error = error.message;
}
console.log(JSON.stringify(printed));
await context.close();
