// Somebody sends a file in each of two tabs, proves it once, and presses Back and Reload where they like: `BASE` is an app
// behind Stepward, `CODE` what their authenticator shows, `BYTES` the size of each file.
import { strict as assert } from "node:assert";
import { fresh, report, test } from "./common.mjs";

const { BASE, CODE, BYTES } = process.env;

/** Clicks what leads to another page, and is there. */
const follow = (page, selector) => Promise.all([page.waitForNavigation(), page.click(selector)]);

async function send(page, folder, fill) {
  await page.goto(`${BASE}/form?${folder}#${folder}`);
  const buffer = Buffer.alloc(Number(BYTES), fill);
  await page.setInputFiles("#file", { name: "scan.pdf", mimeType: "application/pdf", buffer });
  await follow(page, "button");
  assert.match(page.url(), /\/\.stepward\/c\//, `${folder} is asked`);
}

await test("files sent in two tabs arrive once each, whatever Back and Reload do", async () => {
  const { context, page: one } = await fresh();
  // Three mebibytes are sealed and opened by a build that nobody has optimised.
  context.setDefaultTimeout(60_000);
  await one.goto(`${BASE}/login`);
  await one.fill("#username", "ada");
  await follow(one, "button");
  const two = await context.newPage();
  await send(one, "one", "1");
  await send(two, "two", "2");
  await two.fill("#code", CODE);
  await two.click("form:has(#code) button", { noWaitAfter: true });
  await two.waitForSelector("#done");
  assert.equal(await two.textContent("#done"), "It has come.");
  // Back is a page that says so and has nothing to send.
  await two.goBack();
  await two.getByText("already confirmed").waitFor();
  assert.equal(await two.locator("main form").count(), 0);
  // The first tab still shows its question; it is answered by the same proof.
  await one.reload({ waitUntil: "commit" });
  await one.waitForSelector("#done");
  assert.equal(await one.textContent("#done"), "It has come.");
  // What the page of ours sent by itself took its place in the history: behind it is the form, or the same answer.
  await one.goBack();
  await one.getByText(/already confirmed|Send a scan/).waitFor();
  await context.close();
});

await report("two tabs and Back");
