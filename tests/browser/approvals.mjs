// Approval by a colleague in Chromium: ada asks, carol approves by passkey in a browser of her own. `BASE` is the gateway of
// tests/it/approvals/chromium.rs, `INVITATION` a path that lets carol set up a passkey. `PICTURE` is where the approver's
// page is drawn, if anywhere.
import { strict as assert } from "node:assert";
import { fresh, report, test, violations } from "./common.mjs";

const { BASE, INVITATION, PICTURE } = process.env;

/** A browser of somebody who is signed in. */
async function person(name) {
  const { context, page } = await fresh();
  await page.goto(BASE);
  await page.fill("[name=username]", name);
  await page.click("#login button");
  await page.waitForURL(`${BASE}/`);
  return { context, page };
}

async function equip(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: true,
  };
  await cdp.send("WebAuthn.addVirtualAuthenticator", { options });
}

async function asks(page) {
  await page.goto(BASE);
  await page.click("#transfer button");
  await page.click("text=Ask for approval");
  await page.waitForSelector("#waiting");
  assert.deepEqual(await violations(page), []);
}

await test("a colleague approves by passkey and the transfer goes on by itself", async () => {
  const ada = await person("ada");
  const carol = await person("carol");
  await equip(carol.page);
  await carol.page.goto(`${BASE}/.stepward/approvals`);
  assert.match(await carol.page.textContent("main"), /Nothing waits/);
  assert.deepEqual(await violations(carol.page), []);
  await asks(ada.page);

  await carol.page.reload();
  assert.deepEqual(await violations(carol.page), []);
  await carol.page.click("main li a");
  await carol.page.waitForSelector("dl");
  assert.match(await carol.page.textContent("main"), /you need a passkey/);
  assert.deepEqual(await violations(carol.page), []);
  const asked = carol.page.url();
  await carol.page.goto(`${BASE}${INVITATION}`);
  await carol.page.click("text=Add a passkey");
  await carol.page.click("text=Make a passkey");
  await carol.page.waitForSelector(".codes");

  await carol.page.goto(asked);
  await carol.page.waitForSelector("#passkey:not([hidden])");
  for (const shown of [/ada/, /Transfer of money/, /DE02/, /900/]) assert.match(await carol.page.textContent("dl"), shown);
  assert.deepEqual(await violations(carol.page), []);
  if (PICTURE) await carol.page.locator("main").screenshot({ path: PICTURE });
  await carol.page.click("text=Approve with your passkey");
  await carol.page.waitForSelector("text=This is approved.");
  assert.deepEqual(await violations(carol.page), []);

  await ada.page.waitForSelector("#paid");
  assert.equal(new URL(ada.page.url()).pathname, "/transfer", "at its own address");
  await ada.context.close();
  await carol.context.close();
});

await test("a colleague refuses without scripts and the requester is told", async () => {
  const ada = await person("ada");
  const { context, page } = await fresh({ javaScriptEnabled: false });
  await page.goto(BASE);
  await page.fill("[name=username]", "carol");
  await page.click("#login button");
  await asks(ada.page);
  await page.goto(`${BASE}/.stepward/approvals`);
  await page.click("main li a");
  assert.match(await page.textContent("main"), /Passkeys need JavaScript/);
  await page.click("button:text-is('Refuse')");
  await page.waitForSelector("text=This was refused.");
  await ada.page.waitForSelector("text=That was refused");
  await context.close();
  await ada.context.close();
});

await report("approvals");
