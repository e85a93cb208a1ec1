// Hostile text in everything that a page of Stepward's can show, in Chromium: no script runs, no element comes of it, no
// form or link leads elsewhere. `BASE` is the gateway of tests/it/abuse/chromium.rs, `HOSTILE` the text, `CODE` a right code.
import { strict as assert } from "node:assert";
import { faults, fresh, report, test } from "./common.mjs";

const { BASE, HOSTILE, CODE } = process.env;
const SAID = encodeURIComponent(HOSTILE);
const QUERY = ["lang", "e", "x", "next", "event", "tell", "invite"].map((name) => `${name}=${SAID}`).join("&");
let looks = 0;

/** A browser in which every script that should not run would be noticed. */
async function wary() {
  const { context, page } = await fresh({ userAgent: `Mozilla/5.0 ${HOSTILE.replace(/[^ -~]/g, "")}` });
  await context.exposeFunction("x9", () => faults.push("a script of the hostile text ran"));
  page.on("dialog", async (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== BASE) faults.push(`asked for ${request.url()}`);
  });
  return { context, page };
}

/** The page is made of what its template has, and nothing else. */
async function clean(page, what) {
  looks += 1;
  const found = await page.evaluate(() => {
    const all = [...document.querySelectorAll("*")];
    const on = all.flatMap((it) => it.getAttributeNames().filter((name) => name.startsWith("on") || name === "style"));
    const strange = all.map((it) => it.localName).filter((it) => /^(iframe|object|embed|base|svg|math|style|a-.*)$/.test(it));
    const places = [...document.querySelectorAll("[href],[src],[action]")].map((it) => it.href || it.src || it.action);
    const elsewhere = places.filter((it) => new URL(it).origin !== location.origin);
    return { on, strange, elsewhere, scripts: document.scripts.length, body: document.body.innerText, at: location.origin };
  });
  assert.deepEqual([found.on, found.strange, found.elsewhere], [[], [], []], what);
  assert.equal(found.scripts, 1, `${what}: our one script`);
  assert.equal(found.at, BASE, what);
  assert.doesNotMatch(found.body, /98200756[9]/, `${what}: no template is read twice`);
  return found.body;
}

await test("hostile text is text on every page", async () => {
  const { context, page } = await wary();
  await page.goto(`${BASE}/sign-in`);
  await page.click("button");
  await page.goto(`${BASE}/form`);
  await page.click("button");
  await page.waitForURL(/\/\.stepward\/c\//);
  const challenge = page.url().split("?")[0];
  assert.match(await clean(page, "asked"), /onerror=x9\(\)/, "what was typed is shown as it was typed");
  for (const method of ["totp", "email_code", "recovery_code"]) {
    for (const address of [`${challenge}?m=${method}&${QUERY}`, `${challenge}?${QUERY}&m=${method}`]) {
      await page.goto(address);
      await clean(page, method);
    }
  }
  for (const path of ["nothing", "methods", "c/x", `methods/totp/${SAID}`, SAID]) {
    await page.goto(`${BASE}/.stepward/${path}?${QUERY}`);
    await clean(page, path);
  }
  await page.goto(`${BASE}/refused?${QUERY}`);
  assert.match(await clean(page, "refused"), /x9/, "what the operator tells is told");
  await page.goto(`${challenge}?m=totp&${QUERY}`);
  await page.fill("#code", HOSTILE.slice(0, 40));
  await page.locator("form:has(#code) button").click();
  await page.waitForSelector("[role=alert]");
  await clean(page, "a wrong answer");
  await page.fill("#code", CODE);
  await page.locator("form:has(#code) button").click();
  await page.waitForURL(/\/pay/);
  await page.goto(`${challenge}/continue?${QUERY}`);
  await clean(page, "confirmed");
  await page.goto(`${BASE}/.stepward/methods?${QUERY}`);
  await clean(page, "methods");
  await page.click("form[action*='/totp'] button");
  await page.waitForSelector("#code");
  await clean(page, "a secret to scan");
  await context.close();
});

await report(`${looks} looks`);
