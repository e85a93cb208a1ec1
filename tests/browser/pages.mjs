// Stepward's pages in Chromium: flows with and without scripts, and axe on every page in every language, light and
// dark, at 320 px. `BASE` is the server of tests/it/browser/pages.rs.
import { strict as assert } from "node:assert";
import { base32, fresh, report, test, together, violations } from "./common.mjs";

const BASE = process.env.BASE;
let users = 0;
let audits = 0;

/** A fresh browser with a fresh account; `user` gives what its owner has in a pocket. */
async function visit(options = {}) {
  const { context, page } = await fresh(options);
  const get = async (path) => (await context.request.get(`${BASE}/test/${path}`)).text();
  await get(`as/user${users++}`);
  const user = {
    get,
    secret: null,
    code: async () => get(`code/${(user.secret ??= await get("totp"))}`),
    mail: async () => {
      for (let i = 0; i < 100; i++) {
        const code = await get("mail");
        if (code) return code;
        await new Promise((next) => setTimeout(next, 50));
      }
      throw new Error("no letter came");
    },
  };
  return { context, page, user };
}

const submit = (page) => page.locator("form:has(#code) button").click();
for (const script of [true, false]) {
  const mode = script ? "with scripts" : "without scripts";
  await test(`a form comes back whole, reload and Back are safe, ${mode}`, async () => {
    const { context, page, user } = await visit({ javaScriptEnabled: script });
    await user.code();
    await page.goto(BASE);
    await page.click("button");
    await page.waitForSelector("#code");
    await page.fill("#code", "000000");
    await submit(page);
    await page.waitForSelector("[role=alert]");
    assert.match(await page.title(), /^Error: /);
    await page.reload();
    assert.equal(await page.locator("[role=alert]").count(), 1, "reload keeps the page and sends nothing");
    const code = await user.code();
    await page.fill("#code", `${code.slice(0, 3)} ${code.slice(3)}`);
    await submit(page);
    if (!script) await page.click("#resume button");
    await page.waitForSelector("#echo");
    assert.equal(await page.textContent("#echo"), "POST /transfer memo=rent+%26+%C3%BC");
    assert.equal(new URL(page.url()).pathname, "/transfer", "at its own address");
    await page.goBack();
    await page.waitForTimeout(300);
    assert.equal(await page.locator("#echo").count(), 0, "Back sends nothing again");
    assert.match(await page.textContent("h1"), /Confirmed/);
    await context.close();
  });

  await test(`an e-mailed code, ${mode}`, async () => {
    const { context, page, user } = await visit({ javaScriptEnabled: script });
    await user.get("address");
    await page.goto(`${BASE}/account?ways=email_code`);
    await page.fill("#code", await user.mail());
    await submit(page);
    await page.waitForSelector("#echo");
    await context.close();
  });
}

await test("a page of the app is fetched again after its proof", async () => {
  const { context, page, user } = await visit();
  await user.code();
  await page.goto(`${BASE}/account`);
  await page.fill("#code", await user.code());
  await submit(page);
  await page.waitForSelector("#echo");
  assert.equal(new URL(page.url()).pathname, "/account");
  await context.close();
});

await test("the browser check solves itself, and says what to do where scripts are off", async () => {
  const { context, page } = await visit();
  await page.goto(`${BASE}/sign-up?ways=pow`);
  await page.waitForSelector("#echo", { timeout: 20_000 });
  await context.close();
  const off = await visit({ javaScriptEnabled: false });
  await off.page.goto(`${BASE}/sign-up?ways=pow,email_code`);
  assert.match(await off.page.textContent("main"), /needs JavaScript/);
  await off.page.click("summary");
  await off.page.click("details a");
  assert.match(await off.page.textContent("main"), /E-mail me a code|on its way/);
  await off.context.close();
});

await test("a call by fetch opens a dialog and is repeated once", async () => {
  const { context, page, user } = await visit();
  await user.code();
  await page.goto(BASE);
  const answer = page.evaluate(async () => {
    const response = await fetch("/api/transfer", { method: "POST", body: JSON.stringify({ amount: 9 }) });
    return `${response.status} ${await response.text()}`;
  });
  const frame = page.frameLocator("dialog iframe");
  await frame.locator("#code").fill(await user.code());
  await frame.locator("form:has(#code) button").click();
  const text = await answer;
  assert.match(text, /^200 /);
  assert.match(text, /POST \/api\/transfer {"amount":9}/);
  assert.equal(await page.locator("dialog").count(), 0);
  await context.close();
});

await test("a dialog that is closed gives the call up", async () => {
  const { context, page } = await visit();
  await page.goto(BASE);
  const answer = page.evaluate(() => fetch("/api/transfer", { method: "POST", body: "{}" }).catch((error) => error.name));
  await page.locator("dialog button").click();
  assert.equal(await answer, "AbortError");
  await context.close();
});

await test("what a request says runs nowhere", async () => {
  const { context, page } = await visit();
  await page.goto(`${BASE}/account?ways=totp`);
  assert.doesNotMatch(await page.title(), /owned/);
  assert.match(await page.textContent("dl"), /<script>/);
  await context.close();
});

await test("a pasted sentence becomes its code, and the keyboard reaches everything", async () => {
  const { context, page } = await visit();
  await page.goto(`${BASE}/account`);
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData("text", "Your code is 123-456");
    document.getElementById("code").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
  assert.equal(await page.inputValue("#code"), "123456");
  await page.evaluate(() => document.activeElement?.blur());
  const reached = [];
  for (let i = 0; i < 3; i++) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.tagName));
  }
  assert.deepEqual(reached, ["code", "BUTTON", "SUMMARY"]);
  await context.close();
});

/** axe, language, direction and width of the page as it stands; without scripts in the browser `plain`. */
async function audit(seen, name, { locale, plain }) {
  audits++;
  const page = plain ? await still(seen, plain) : seen;
  const wanted = locale === "ar" ? "rtl" : "ltr";
  assert.equal(await page.getAttribute("html", "dir"), wanted, name);
  assert.equal(await page.getAttribute("html", "lang"), locale, name);
  await page.evaluate(() => document.querySelector("details")?.setAttribute("open", ""));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, `${name} scrolls sideways at 320 px`);
  assert.deepEqual(await violations(page), [], `${name} ${plain ? "without scripts" : ""}`);
}

/**
 * The page as it stands without scripts, in a browser where axe may run: its own scripts are taken out, and what is
 * meant for browsers without them is put in.
 */
async function still(seen, plain) {
  const html = (await seen.content()).replace(/<script[^>]*><\/script>/g, "").replace(/<\/?noscript>/g, "");
  await plain.unroute(`${BASE}/still`);
  await plain.route(`${BASE}/still`, (route) => route.fulfill({ body: html, contentType: "text/html; charset=utf-8" }));
  await plain.goto(`${BASE}/still`);
  return plain;
}

// What each page is made of is looked at in every language and colour by `kinds.mjs`. Here it is whether the pages of a
// whole way are those: every two of language, colour and scripts meet once.
const matrix = [];
for (const locale of (process.env.LOCALES || "en,ar").split(",")) {
  for (const colorScheme of ["light", "dark"]) {
    for (const script of [(locale === "ar") === (colorScheme === "dark")]) {
      const how = { locale, colorScheme, javaScriptEnabled: script, bypassCSP: true, viewport: { width: 320, height: 640 } };
      const every = `axe on every page: ${locale} ${colorScheme} ${script ? "with" : "without"} scripts`;
      const look = async () => {
        const { context, page, user } = await visit(how);
        const plain = script ? null : (await fresh({ ...how, javaScriptEnabled: true })).page;
        const check = (name) => audit(page, name, { locale, plain });
        await page.goto(`${BASE}/.stepward/methods`);
        await check("nothing set up");
        await page.click("button");
        await page.waitForSelector("#code");
        await check("setting up an app");
        await page.fill("#code", "1");
        await submit(page);
        await page.waitForSelector("[role=alert]");
        await check("setting up an app, wrong code");
        const key = (await page.textContent(".key")).replaceAll(" ", "");
        user.secret = base32(key).toString("hex");
        await page.fill("#code", await user.code());
        await submit(page);
        await page.waitForSelector(".codes");
        await check("recovery codes");
        const recovery = await page.textContent(".codes li");
        await page.goto(`${BASE}/.stepward/methods`);
        await check("what is set up");
        await user.get("address");
        await page.goto(`${BASE}/transfer?ways=totp,email_code,recovery_code`);
        const challenge = page.url();
        await check("a challenge");
        for (const way of ["email_code", "recovery_code"]) {
          await page.goto(`${challenge}?m=${way}`);
          await check(way);
        }
        await page.goto(`${challenge}?m=email_code`);
        await page.click("main form button");
        await page.waitForSelector("#code");
        await check("a code was sent");
        await page.locator("button.link").click();
        await page.waitForSelector("[role=alert]");
        await check("another code has to wait");
        await page.goto(`${challenge}?m=recovery_code`);
        await page.fill("#code", "wrong");
        await submit(page);
        await page.waitForSelector("[role=alert]");
        await check("a wrong code");
        await page.fill("#code", recovery);
        await submit(page);
        await page.waitForSelector("#echo");
        await page.goto(`${BASE}/.stepward/c/AAAAAAAAAAAAAAAAAAAAAA`);
        await check("gone");
        await page.goto(`${BASE}/refused`);
        await check("refused");
        await context.close();

        const other = await visit(how);
        await other.user.get("address");
        await other.page.goto(BASE);
        // Where scripts run, the form behind this page sends itself: it is looked at without.
        await other.page.goto(`${BASE}/sign-up?ways=pow,totp`).catch(() => {});
        if (plain) await audit(other.page, "the browser check", { locale, plain });
        await other.context.close();
        await plain?.context().close();
      };
      matrix.push(() => test(every, look));
    }
    const wayOn = async () => {
      const how = { locale, colorScheme, javaScriptEnabled: false, bypassCSP: true, viewport: { width: 320, height: 640 } };
      const { context, page, user } = await visit(how);
      const plain = (await fresh({ ...how, javaScriptEnabled: true })).page;
      await user.code();
      await page.goto(BASE);
      await page.click("button");
      await page.fill("#code", await user.code());
      await submit(page);
      await page.waitForSelector("#resume");
      await audit(page, "confirmed", { locale, plain });
      const confirmed = page.url();
      await page.click("#resume button");
      await page.waitForSelector("#echo");
      await page.goto(confirmed);
      await audit(page, "already confirmed", { locale, plain });
      await plain.context().close();
      await context.close();
    };
    matrix.push(() => test(`axe on the way on: ${locale} ${colorScheme}`, wayOn));
  }
}

await together(matrix);
await report(`${audits} audits by axe`);
