// Looks at a device's first value, as the tutorial says: opens the link, follows the name of the device and from there to its
// message, uncovers the values, and keeps a screenshot of each step.
//
//     node look.mjs LINK FOLDER DEVICE VALUE
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.env.PCD_PAGES_MODULES ?? process.cwd(), "node_modules", "x"));
const { chromium } = require("playwright-core");

const [link, folder, device, value] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.PCD_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(60_000);
  const keep = (name) => page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  const follow = async (selector) => {
    await page.locator(selector).first().click();
    await page.waitForLoadState();
  };
  await page.goto(link);
  await keep("1-overview");
  await follow(`main a[href="/devices/${device}"]`);
  await keep("2-device");
  await follow('main a[href^="/messages/"]');
  const form = page.locator('form[action$="/content"]');
  await form.locator("input[name=reason]").fill("the first message of a new site");
  await form.locator("button").click();
  await page.waitForLoadState();
  await keep("3-message");
  const text = await page.locator("main").innerText();
  if (!text.includes(value)) throw new Error(`the message does not show ${value}: ${text}`);
  console.log(`the page shows ${value}: ${join(folder, "3-message.png")}`);
} finally {
  await browser.close();
}
