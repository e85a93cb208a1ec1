// The README's story, told by a person in Chromium: `BASE` is the bank behind Stepward, `ADMIN` its admin API, `FOLDER`
// the demo's files, `PICTURES` where screenshots go.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
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
      await follow(page, "main form button");
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
      await follow(page, "text='Pay'");
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
      await follow(page, `aside >> text=${words}`);
    },
  };
  return me;
}

/** Clicks what leads to another page, and is there. */
async function follow(page, selector) {
  await Promise.all([page.waitForNavigation(), page.click(selector)]);
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
/** `STORY=agent` in the environment tells only what has that word in its name. */
const story = (name, body) => (name.includes(process.env.STORY ?? "") ? test(name, body) : undefined);

async function atChallenge(page) {
  const { pathname } = new URL(page.url());
  const why = async () => `${pathname} says: ${await page.textContent("main")}\n${JSON.stringify((await decisions({}))[0])}`;
  if (!pathname.startsWith("/.stepward/c/")) assert.fail(await why());
}

await story("Ada signs in and pays 50, and nothing asks for anything", async () => {
  const ada = await person("ada");
  await ada.signIn();
  assert.equal(new URL(ada.page.url()).pathname, "/");
  const before = await ada.balance();
  assert.deepEqual(before, { euros: 50_000, movements: 0 });
  await ada.pay(50);
  assert.deepEqual(await ada.balance(), { euros: 49_950, movements: 1 });
  await ada.context.close();
});

await story("900 waits for a code that is for this payment, and is paid once", async () => {
  const ada = await person("ada");
  await ada.signIn();
  const before = await ada.balance();
  const letters = await ada.letters();
  await ada.pay(900);
  await atChallenge(ada.page);
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

await story("a call by fetch is answered 401, a dialog asks, and the page's own call goes on", async () => {
  const ada = await person("ada");
  await ada.signIn();
  const before = await ada.balance();
  const letters = await ada.letters();
  await ada.transfer(800);
  const answered = ada.page.waitForResponse((it) => it.url().endsWith("/api/transfers"));
  await ada.page.click("#pay-by-fetch");
  const refused = await answered;
  assert.equal(refused.status(), 401);
  assert.match(refused.headers()["content-type"], /^application\/problem\+json/);
  assert.match((await refused.json()).challenge_url, /^\/\.stepward\/c\//);
  const frame = ada.page.frameLocator("dialog iframe");
  await frame.locator("#code").waitFor();
  assert.deepEqual(await violations(ada.page), [], "the dialog over the bank's page");
  const client = await ada.context.newCDPSession(ada.page);
  const { data } = await client.send("Page.captureScreenshot", { format: "webp", quality: 70 });
  writeFileSync(`${PICTURES}/dialog.webp`, Buffer.from(data, "base64"));
  await answer(frame, await ada.code(letters));
  await ada.page.locator("#fetch-answer:has-text('Paid')").waitFor();
  const after = { euros: before.euros - 800, movements: before.movements + 1 };
  assert.deepEqual(await ada.balance(), after);

  await ada.transfer(810);
  await ada.page.click("#pay-by-fetch");
  await ada.page.locator("dialog button").click();
  await ada.page.locator("#fetch-answer:has-text('Not paid')").waitFor();
  assert.deepEqual(await ada.balance(), after, "who closes the dialog pays nothing");
  await ada.context.close();
});

await story("without scripts the whole way works by forms", async () => {
  const bob = await person("bob", { javaScriptEnabled: false });
  await bob.signIn();
  const before = await bob.balance();
  const letters = await bob.letters();
  await bob.pay(700);
  await atChallenge(bob.page);
  await answer(bob.page, await bob.code(letters));
  await bob.page.click("#resume button");
  await bob.page.waitForSelector("#balance");
  assert.equal((await bob.balance()).euros, before.euros - 700);
  await bob.context.close();
});

await story("from a bad network a right password is not enough, and 900 is not paid", async () => {
  const operator = await person("ada");
  await operator.press("Come from a bad network");
  // The list is read again within seconds: whoever was faster is sent away and comes again.
  const bob = await until("a question at sign-in", async () => {
    const bob = await person("bob");
    const letters = await bob.letters();
    await bob.signIn();
    if (new URL(bob.page.url()).pathname.startsWith("/.stepward/c/")) return Object.assign(bob, { before: letters });
    await bob.context.close();
  });
  assert.match(await bob.page.textContent("main"), /looks different/);
  const held = await bob.context.cookies();
  assert.equal(held.some((it) => it.name === "sessionid"), false, "the app's answer is held back");
  await answer(bob.page, await bob.code(bob.before));
  await bob.page.waitForSelector("#balance");
  const before = await bob.balance();
  await bob.pay(900);
  assert.match(await bob.page.textContent("main"), /not carried out/);
  assert.deepEqual(await bob.balance(), before);
  await operator.press("Leave the bad network");
  await until("a sign-in without a question", async () => {
    const bob = await person("bob");
    await bob.signIn();
    const path = new URL(bob.page.url()).pathname;
    await bob.context.close();
    return path === "/";
  });
  await bob.context.close();
  await operator.context.close();
});

await story("when vendor A is broken vendor B is asked, and nobody notices", async () => {
  const ada = await person("ada");
  await ada.signIn();
  await ada.press("Break vendor A");
  const letters = await ada.letters();
  await ada.pay(900);
  await atChallenge(ada.page);
  await answer(ada.page, await ada.code(letters));
  await ada.page.waitForSelector("#balance");
  const [last] = await decisions({ event: "transfer money" });
  assert.match(JSON.stringify(last), /vendor-b/);
  assert.match(JSON.stringify(last), /fail_over/);
  await ada.press("Repair vendor A");
  await ada.context.close();
});

await story("in shadow 901 is paid at once, and the log tells what would have happened", async () => {
  const ada = await person("ada");
  await ada.signIn();
  const before = await ada.balance();
  await ada.press("Switch the transfer policy to shadow");
  const mode = async () => (await api("policies/transfer%20money")).mode;
  await until("shadow", async () => (await mode()) === "shadow");
  await ada.pay(901);
  assert.equal((await ada.balance()).euros, before.euros - 901);
  const [last] = await decisions({ event: "transfer money" });
  assert.equal(last.mode, "shadow");
  assert.equal(last.outcome, "challenge");
  await ada.press("Enforce the transfer policy");
  await until("enforcement", async () => (await mode()) === "enforce");
  await ada.pay(902);
  await atChallenge(ada.page);
  await ada.context.close();
});

await story("an agent reads and does not pay", async () => {
  const ada = await person("ada");
  await ada.signIn();
  await follow(ada.page, "text=Agents");
  const token = await ada.page.textContent("#token");
  const headers = { authorization: `Bearer ${token}` };
  const read = await fetch(`${BASE}/agent/balance`, { headers });
  assert.equal(read.status, 200);
  assert.equal((await read.json()).you_are, "ada@example.com");
  const paid = await fetch(`${BASE}/agent/transfer`, { method: "POST", headers });
  assert.equal(paid.status, 403);
  assert.match(paid.headers.get("content-type"), /^application\/problem\+json/);
  await ada.context.close();
});

await story("an authenticator app is set up by invitation and changes the e-mail address; a new device asks for it", async () => {
  const ada = await person("ada");
  await ada.signIn();
  await ada.page.goto(`${BASE}/account/email`);
  await ada.page.fill("#email", "ada@new.example");
  await follow(ada.page, "main .card button");
  await atChallenge(ada.page);

  await ada.page.goto(`${BASE}/account/email`);
  await follow(ada.page, "text=Ask for an invitation");
  await follow(ada.page, "text=Add an authenticator app");
  const secret = base32((await ada.page.textContent(".key")).replaceAll(" ", ""));
  // A code is good in its own thirty seconds and the next; with the one before, the one of now stays unused.
  await until("a step with time left", () => 30_000 - (Date.now() % 30_000) > 8_000);
  await answer(ada.page, totp(secret, -1));
  await ada.page.waitForSelector(".codes");
  await follow(ada.page, "main a");

  await ada.page.goto(`${BASE}/account/email`);
  await ada.page.fill("#email", "ada@new.example");
  await follow(ada.page, "main .card button");
  await atChallenge(ada.page);
  assert.match(await ada.page.textContent("dl"), /ada@new\.example/);
  await answer(ada.page, totp(secret));
  await ada.page.waitForSelector("#balance").catch(async () => assert.fail(await ada.page.textContent("main")));
  assert.match(await ada.page.textContent("main"), /ada@new\.example/);

  const known = async () => (await decisions({ event: "login" }))[0].attributes["device.is_known"];
  await follow(ada.page, "text=Sign out");
  await ada.signIn();
  assert.equal((await known()).value, true, "the device is known after a strong proof");
  await ada.press("Pretend to be a new device");
  await ada.page.goto(BASE);
  await follow(ada.page, "text=Sign out");
  await ada.signIn();
  assert.equal((await known()).value, false, "and is forgotten by the button");
  await ada.context.close();
});

await story("every page of the bank is accessible, light and dark, wide and at 320 px", async () => {
  const bob = await person("bob");
  await bob.signIn();
  for (const colorScheme of ["light", "dark"]) {
    await bob.page.emulateMedia({ colorScheme });
    for (const path of ["/", "/transfer", "/account/email", "/agent-token", "/mailbox", "/login"]) {
      await bob.page.goto(BASE + path);
      for (const width of [320, 1100]) {
        await bob.page.setViewportSize({ width, height: 700 });
        const wide = await bob.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.equal(wide, false, `${path} scrolls sideways at ${width} px`);
      }
      assert.deepEqual(await violations(bob.page), [], `${path} ${colorScheme}`);
    }
  }
  await bob.context.close();
});

await story("pictures for the README", async () => {
  const bob = await person("bob", { viewport: { width: 1100, height: 620 } });
  const picture = (name) => bob.page.screenshot({ path: `${PICTURES}/${name}.png` });
  await bob.signIn();
  await bob.pay(50);
  await picture("bank");
  await bob.pay(900);
  await bob.page.setViewportSize({ width: 540, height: 760 });
  await picture("challenge");
  await bob.page.emulateMedia({ colorScheme: "dark" });
  await picture("challenge-dark");
  await bob.page.emulateMedia({ colorScheme: "light" });
  await bob.page.setViewportSize({ width: 320, height: 760 });
  await bob.page.goto(`${bob.page.url().split("?")[0]}?lang=ar`);
  assert.equal(await bob.page.getAttribute("html", "dir"), "rtl");
  await picture("challenge-arabic");
  await bob.page.setViewportSize({ width: 540, height: 760 });
  await bob.page.goto(`${BASE}/account/email`);
  await follow(bob.page, "text=Ask for an invitation");
  await follow(bob.page, "text=Add an authenticator app");
  await bob.page.setViewportSize({ width: 540, height: 840 });
  await picture("enrolment");
  await bob.context.close();
});

await report("the demo's story");
