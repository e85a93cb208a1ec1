// Confirming at an identity provider of one's own: `BASE` is a bank behind Stepward whose session cookie is
// `SameSite=Strict`, `IDP` the provider, which nobody may show in a frame.
import { strict as assert } from "node:assert";
import { fresh, report, test, violations } from "./common.mjs";

const { BASE, IDP } = process.env;

/** Alice has signed in and wants to pay. */
async function asked(options = {}) {
  const { context, page } = await fresh(options);
  await page.goto(BASE);
  await page.click("#in button");
  await page.goto(BASE);
  await page.click("#pay button");
  await page.waitForURL(/\/\.stepward\/c\//);
  return { context, page };
}

async function signIn(page, name = "alice") {
  await page.waitForURL((url) => url.href.startsWith(IDP));
  await page.fill('[name="name"]', name);
  await page.click('[value="in"]');
}

for (const javaScriptEnabled of [true, false]) {
  await test(`a payment goes on after a sign-in, ${javaScriptEnabled ? "with" : "without"} scripts`, async () => {
    const { context, page } = await asked({ javaScriptEnabled });
    await page.click("#away button");
    await signIn(page);
    if (!javaScriptEnabled) await page.click("#resume button");
    await page.waitForSelector("#paid");
    await context.close();
  });
}

await test("who gives up, or is somebody else, is told so and has another way", async () => {
  const { context, page } = await asked();
  assert.deepEqual(await violations(page), []);
  await page.click("#away button");
  await page.waitForURL((url) => url.href.startsWith(IDP));
  await page.click('[value="leave"]');
  await page.waitForSelector("#error");
  assert.match(await page.textContent("#error"), /You did not sign in/);
  assert.deepEqual(await violations(page), []);
  await page.click("#away button");
  await signIn(page, "mallory");
  await page.waitForSelector("#error");
  assert.match(await page.textContent("#error"), /Somebody else/);
  assert.ok(await page.locator('a[href*="m=totp"]').isVisible());
  await context.close();
});

await test("a script's call is repeated after a sign-in in a window of its own", async () => {
  const { context, page } = await fresh();
  await page.goto(BASE);
  await page.click("#in button");
  await page.goto(`${BASE}/spa`);
  const opened = context.waitForEvent("page");
  await page.click("#call");
  const dialog = page.frameLocator("dialog iframe");
  await dialog.locator("#away button").click();
  const window = await opened;
  await signIn(window);
  await window.waitForURL(/\/continue$/);
  await page.waitForFunction(() => document.getElementById("told").textContent.includes("paid"));
  assert.equal(await page.locator("dialog").count(), 0);
  await context.close();
});

await report("signing in at a provider");
