// A passkey in Chromium: made with an invitation, used for a transfer. `BASE` is the gateway of
// tests/it/passkeys/gateway.rs, `INVITATION` a path that lets ada set up a first method.
import { strict as assert } from "node:assert";
import { fresh, report, test, violations } from "./common.mjs";

const { BASE, INVITATION } = process.env;

/** A browser with an authenticator that says yes, or no. */
async function equipped(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options });
  const verifies = (isUserVerified) => cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
  const credentials = async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
  return { verifies, credentials };
}

await test("a passkey is made with an invitation and confirms a transfer", async () => {
  const { context, page } = await fresh();
  const authenticator = await equipped(page);
  await page.goto(BASE);
  await page.click("#login button");
  await page.waitForURL(`${BASE}/`);

  await page.goto(`${BASE}${INVITATION}`);
  assert.deepEqual(await violations(page), []);
  await page.click("text=Add a passkey");
  await page.waitForSelector("#passkey:not([hidden])");
  assert.deepEqual(await violations(page), []);
  await page.fill("#label", "my laptop");
  await page.click("text=Make a passkey");
  await page.waitForSelector(".codes");
  const [made] = await authenticator.credentials();
  assert.equal(made.isResidentCredential, true, "people find it again");
  assert.equal(made.rpId, "localhost");
  await page.goto(`${BASE}/.stepward/methods`);
  assert.match(await page.textContent("main"), /my laptop/);

  await page.goto(BASE);
  await page.click("#transfer button");
  await page.waitForSelector("#passkey:not([hidden])");
  assert.match(await page.textContent("dl"), /DE02/, "what is confirmed is shown");
  assert.deepEqual(await violations(page), []);
  await authenticator.verifies(false);
  await page.click("text=Use your passkey");
  await page.waitForFunction(() => document.getElementById("passkey-told").textContent.startsWith("No passkey"));
  await authenticator.verifies(true);
  await page.click("text=Use your passkey");
  await page.waitForSelector("#paid");
  assert.equal(new URL(page.url()).pathname, "/transfer", "at its own address");
  assert.ok((await authenticator.credentials())[0].signCount > 0);
  await page.goBack();
  await page.waitForTimeout(300);
  assert.equal(await page.locator("#paid").count(), 0, "Back sends nothing again");

  // At the field for a code the browser offers the passkey by itself; nothing is asked with a button.
  await page.goto(BASE);
  await page.click("#order button");
  await page.waitForURL(/\/\.stepward\/c\//);
  const challenge = page.url().split("?")[0];
  const before = (await authenticator.credentials())[0].signCount;
  await authenticator.verifies(false);
  await page.goto(`${challenge}?m=recovery_code`);
  assert.equal(await page.getAttribute("#code", "autocomplete"), "one-time-code webauthn");
  assert.deepEqual(await violations(page), []);
  await page.fill("#code", "aaaa-bbbb-cccc-dddd");
  await page.click("form:has(#code) button");
  await page.waitForSelector("[role=alert]");
  assert.match(page.url(), /m=recovery_code/, "who declines types a code as ever");
  await authenticator.verifies(true);
  await page.reload();
  await page.waitForSelector("#ordered");
  assert.ok((await authenticator.credentials())[0].signCount > before);

  await page.goto(BASE);
  const answer = page.evaluate(async () => {
    const response = await fetch("/order", { method: "POST", body: new URLSearchParams({ what: "cake" }) });
    return `${response.status} ${await response.text()}`;
  });
  await page.frameLocator("dialog iframe").locator("#passkey button").click();
  assert.match(await answer, /^200 .*Ordered/);
  await context.close();
});

await test("who has no scripts, or a browser that knows no passkeys, is told what to do", async () => {
  for (const options of [{ javaScriptEnabled: false }, {}]) {
    const { context, page } = await fresh(options);
    await page.addInitScript(() => delete window.PublicKeyCredential);
    await page.goto(BASE);
    await page.click("#login button");
    await page.waitForURL(`${BASE}/`);
    await page.click("#transfer button");
    await page.waitForURL(/stepward/);
    const words = options.javaScriptEnabled === false ? /Passkeys need JavaScript/ : /This browser cannot use passkeys/;
    assert.match(await page.textContent("main"), words);
    assert.equal(await page.locator("#passkey button").isVisible(), false);
    await page.goto(BASE);
    await page.click("#order button");
    await page.waitForURL(/stepward/);
    await page.goto(`${page.url().split("?")[0]}?m=recovery_code`);
    await page.fill("#code", "aaaa-bbbb-cccc-dddd");
    await page.click("form:has(#code) button");
    await page.waitForSelector("[role=alert]");
    await context.close();
  }
});

await report("passkeys");
