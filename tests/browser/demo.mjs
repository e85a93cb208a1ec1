// The README's story, told by a person in Chromium: `BASE` is the bank behind Stepward, `ADMIN` its admin API, `FOLDER`
// the demo's files, `PICTURES` where screenshots go.
import { mkdirSync, readFileSync } from "node:fs";
import { strict as assert } from "node:assert";
import { base32, fresh, report, test, totp, until, violations } from "./common.mjs";

const { BASE, ADMIN, FOLDER, PICTURES } = process.env;
const PAYEE = "DE02120300000000202051";
mkdirSync(PICTURES, { recursive: true });

/** A person at the bank's door, with a browser that nobody has seen. */
async function person(name, options = {}) {
  const { context, page } = await fresh(options);
  const told = async (path) => {
    const tab = await context.newPage();
    await tab.goto(BASE + path);
    return tab;
  };
  const me = {
    context,
    page,
    async signIn() {
      await page.goto(`${BASE}/login`);
      await page.fill("#username", `${name}@example.com`);
      await page.fill("#password", name);
      await page.click("main form button");
      await page.waitForLoadState();
    },
    async balance() {
      const tab = await told("/");
      const euros = Number((await tab.textContent("#balance")).replace(" €", ""));
      const movements = await tab.locator("tbody tr").count();
      await tab.close();
      return { euros, movements };
    },
    async transfer(amount) {
      await page.goto(`${BASE}/transfer`);
      await page.fill("#amount", String(amount));
    },
    async pay(amount) {
      await me.transfer(amount);
      await page.click("text='Pay'");
      await page.waitForLoadState();
    },
    /** Reads the newest code in a second tab, once this many letters are there. */
    async code(letters) {
      const tab = await told("/mailbox");
      await until("a letter", async () => {
        await tab.reload();
        return (await tab.locator("article").count()) > letters;
      });
      const text = await tab.locator("article").first().textContent();
      await tab.close();
      return text.match(/\b\d{6}\b/)[0];
    },
    async letters() {
      const tab = await told("/mailbox");
      const count = await tab.locator("article").count();
      await tab.close();
      return count;
    },
    press: async (words) => {
      await page.goto(`${BASE}/login`);
      await page.click(`aside >> text=${words}`);
      await page.waitForLoadState();
    },
  };
  return me;
}

/** Types a code into the page or the dialog that asks for it. */
async function answer(place, code) {
  await place.locator("#code").fill(code);
  await place.locator("form:has(#code) button").click();
}

async function api(path) {
  const token = readFileSync(`${FOLDER}/state/admin-token`, "utf8").split(/\s/)[0];
  const reply = await fetch(`${ADMIN}/api/v1/${path}`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(reply.status, 200, path);
  return reply.json();
}

const decisions = async (query) => (await api(`decisions?${new URLSearchParams(query)}`)).decisions;
const atChallenge = (page) => assert.match(new URL(page.url()).pathname, /^\/\.stepward\/c\//);

await test("Ada signs in and pays 50, and nothing asks for anything", async () => {
  const ada = await person("ada");
  await ada.signIn();
  assert.equal(new URL(ada.page.url()).pathname, "/");
  const before = await ada.balance();
  assert.deepEqual(before, { euros: 50_000, movements: 0 });
  await ada.pay(50);
  assert.deepEqual(await ada.balance(), { euros: 49_950, movements: 1 });
  await ada.context.close();
});

await test("900 waits for a code that is for this payment, and is paid once", async () => {
  const ada = await person("ada");
  await ada.signIn();
  const before = await ada.balance();
  const letters = await ada.letters();
  await ada.pay(900);
  atChallenge(ada.page);
  const shown = await ada.page.textContent("dl");
  assert.match(shown, /900/);
  assert.match(shown, new RegExp(PAYEE));
  assert.deepEqual(await ada.balance(), before, "nothing is paid yet");
  await answer(ada.page, await ada.code(letters));
  await ada.page.waitForSelector("#balance");
  const after = { euros: before.euros - 900, movements: before.movements + 1 };
  assert.deepEqual(await ada.balance(), after);
  await ada.page.goBack();
  await ada.page.waitForTimeout(500);
  assert.deepEqual(await ada.balance(), after, "Back pays nothing");
  await ada.page.reload();
  await ada.page.waitForTimeout(500);
  assert.deepEqual(await ada.balance(), after, "and reload pays nothing");
  await ada.context.close();
});

await report("the demo's story");
