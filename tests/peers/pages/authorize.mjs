// A person with a certificate presses a button of the page that asks, in Chromium.
//
//     node authorize.mjs PROFILE URL BUTTON CALLBACK
//
// HOME is a folder with the NSS database (.pki/nssdb). Prints one line of JSON: the page, what
// it loaded, and where the button has led.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.PCD_PAGES_MODULES ?? process.cwd(), "node_modules", "x"));
const { chromium } = require("playwright-core");

const [profile, url, button, callback] = process.argv.slice(2);
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.PCD_CHROMIUM ?? "/usr/bin/chromium",
  // The frame must be refused for what the page says, not because it is on this machine.
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-features=LocalNetworkAccessChecks"],
  env: process.env,
  timeout: 120_000,
});
context.setDefaultTimeout(60_000);
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
  const failed = [];
  frame.on("requestfailed", (request) => failed.push(request.failure().errorText));
  await frame.goto("https://frame.example/");
  await frame.waitForTimeout(1500);
  printed.frameFailed = [...failed];
  const inner = await frame.frames()[1]?.locator("button").count().catch(() => 0);
  printed.frameButtons = inner ?? 0;
  // A page of any site with hidden requests: none is taken for the person's.
  await context.route("https://images.example/", (route) =>
    route.fulfill({ contentType: "text/html", body: Array(30).fill(`<img src="${url}">`).join("") }),
  );
  const statuses = [];
  frame.on("response", (response) => response.url() === url && statuses.push(response.status()));
  await frame.goto("https://images.example/");
  await frame.waitForTimeout(1500);
  printed.images = { statuses, failed: failed.slice(printed.frameFailed.length) };
  if (button) {
    await page.getByRole("button", { name: button }).click();
    await page.waitForTimeout(500);
    printed.stays = page.url() === url;
    await page.getByRole("checkbox").check();
    // The name of the application leads nowhere here: that the browser asks for it is what counts.
    const back = page.waitForRequest((request) => request.url().startsWith(callback));
    await page.getByRole("button", { name: button }).click();
    printed.location = (await back).url();
  }
} catch (error) {
  printed.error = error.message;
}
console.log(JSON.stringify(printed));
await context.close();
