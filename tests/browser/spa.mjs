// Apps that no one here wrote, behind a gateway that puts its script into their pages: `BASE` is the gateway, `DJANGO` and
// `APPS` are the ports it expects them at, `SECRETS` what everybody's authenticator app knows.
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { apps, calls, count, django } from "./apps.mjs";
import { fresh, report, test, totp } from "./common.mjs";

const { BASE, DJANGO, APPS, DATABASE, SECRETS } = process.env;
const secrets = Object.fromEntries(SECRETS.split(",").map((pair) => pair.split("=")));
const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
await apps(Number(APPS));
await django(Number(DJANGO), DATABASE, Object.keys(secrets));

/** Somebody signed in at Django, by whose session the other apps know them too. */
async function person(name, options = {}) {
  const { context, page } = await fresh(options);
  await page.goto(`${BASE}/admin/login/?next=/admin/`);
  await page.fill("#id_username", name);
  await page.fill("#id_password", `${name}'s password`);
  await Promise.all([page.waitForNavigation(), page.click("[type=submit]")]);
  assert.equal(new URL(page.url()).pathname, "/admin/", await page.textContent("body"));
  const code = () => totp(Buffer.from(secrets[name], "hex"));
  return { context, page, code };
}

async function answer(place, code) {
  await place.locator("#code").fill(code);
  await place.locator("form:has(#code) button").click();
}

/** The page of our challenge, in the dialog over an app. */
const dialog = (page) => page.frameLocator("dialog iframe");

async function dialogIsAccessible(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => axe.run("dialog", { runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag22aa", "best-practice"] } }));
  assert.deepEqual(found.violations.map((it) => `${it.id} ${it.nodes.map((node) => node.target)}`), []);
}

/** Signed in as nobody, on the page where calls are made by hand. */
async function lab() {
  const { context, page } = await fresh();
  await page.goto(`${BASE}/lab`);
  assert.equal(await page.evaluate(() => document.head.firstElementChild.getAttribute("src")), "/.stepward/stepward.js");
  return { context, page };
}

await test("the script is at most 3 KB compressed", () => {
  const script = readFileSync(new URL("../../pages/stepward.js", import.meta.url));
  const size = gzipSync(script, { level: 9 }).length;
  assert.ok(size <= 3072, `${size} bytes`);
});

await test("Django's admin changes a user after a code, once, with its own token against forgery", async () => {
  const { context, page, code } = await person("ada");
  await page.goto(`${BASE}/admin/auth/user/1/change/`);
  assert.ok(await page.evaluate(() => window[Symbol.for("stepward")]), "our script is on its pages");
  await page.locator(".selector-available").first().waitFor(); // its own scripts work beside ours
  await page.fill("#id_first_name", "Augusta Ada & Söhne");
  await Promise.all([page.waitForNavigation(), page.click("[name=_save]")]);
  assert.match(new URL(page.url()).pathname, /^\/\.stepward\/c\//, await page.textContent("body"));
  const other = await context.newPage();
  await other.goto(`${BASE}/admin/auth/user/1/change/`);
  assert.equal(await other.inputValue("#id_first_name"), "", "nothing is changed yet");
  await answer(page, code());
  await page.waitForURL(`${BASE}/admin/auth/user/`);
  assert.match(await page.textContent(".messagelist"), /changed successfully/);
  await other.reload();
  assert.equal(await other.inputValue("#id_first_name"), "Augusta Ada & Söhne");
  await page.goBack();
  await page.waitForTimeout(300);
  await other.goto(`${BASE}/admin/auth/user/1/history/`);
  assert.equal(await other.locator("#change-history tbody tr").count(), 1, "it is changed once");
  await context.close();
});

await test("Bull Dashboard pauses a queue after a code in a dialog: React, axios, XMLHttpRequest, a strict policy", async () => {
  const { context, page, code } = await person("bob");
  await page.goto(`${BASE}/queue/payments`);
  await page.locator("text=payments").first().waitFor();
  const menu = page.locator("[aria-haspopup=menu]:visible").last();
  await menu.click();
  await page.locator("[role=menuitem]:has-text('Pause')").first().click();
  const confirm = page.locator("[role=alertdialog] button, [role=dialog] button").filter({ hasText: /confirm|pause|yes/i });
  if (await confirm.first().isVisible({ timeout: 2000 }).catch(() => false)) await confirm.first().click();
  await dialog(page).locator("#code").waitFor();
  await dialogIsAccessible(page);
  assert.equal(count("PUT /api/queues/payments/pause"), 0, "nothing is paused yet");
  await answer(dialog(page), code());
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.waitForTimeout(500);
  assert.equal(count("PUT /api/queues/payments/pause"), 1);
  await context.close();
});

await test("Swagger UI puts a pet after a code in a dialog: React, fetch", async () => {
  const { context, page, code } = await person("cyd");
  await page.goto(`${BASE}/docs/index.html`);
  await page.locator(".opblock-summary-control").first().click();
  await page.click(".try-out__btn");
  await page.click(".execute");
  await dialog(page).locator("#code").waitFor();
  await dialogIsAccessible(page);
  assert.equal(count("PUT /api/pets/7"), 0);
  await answer(dialog(page), code());
  await page.locator(".live-responses-table .response-col_status:has-text('200')").waitFor();
  assert.match(await page.textContent(".live-responses-table"), /"Rex"/);
  assert.equal(count("PUT /api/pets/7"), 1);
  await context.close();
});

const post = (path, n, how = {}) => ({ path, how: { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ n }), ...how } });

await test("fetch: the call goes on by itself, with its body, and the page sees one answer", async () => {
  const { context, page } = await lab();
  const seen = await page.evaluate(async ({ path, how }) => {
    const answer = await fetch(path, how);
    return { status: answer.status, said: await answer.json() };
  }, post("/lab/echo", "f1"));
  assert.deepEqual(seen, { status: 200, said: { path: "/lab/echo", method: "POST", body: '{"n":"f1"}' } });
  assert.equal(calls.filter((it) => it.body.includes('"f1"')).length, 1);
  await context.close();
});

await test("several calls at the same time share one dialog and each goes on once", async () => {
  const { context, page } = await lab();
  const dialogs = await page.evaluate(async ({ path, how }) => {
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, document.querySelectorAll("dialog").length)), 5);
    const xhr = new Promise((done) => {
      const call = new XMLHttpRequest();
      call.open("POST", path);
      call.setRequestHeader("content-type", "application/json");
      call.onload = () => done(call.status);
      call.send(how.body);
    });
    const answers = await Promise.all([fetch(path, how), fetch(new Request(path, how)), xhr]);
    clearInterval(watch);
    return [most, ...answers.map((it) => it.status ?? it)];
  }, post("/lab/echo", "shared"));
  assert.deepEqual(dialogs, [1, 200, 200, 200]);
  assert.equal(calls.filter((it) => it.body.includes('"shared"')).length, 3);
  await context.close();
});

await test("calls that want different proofs are asked one after the other", async () => {
  const { context, page } = await lab();
  const seen = await page.evaluate(async (all) => Promise.all(all.map(({ path, how }) => fetch(path, how).then((it) => it.status))), [
    post("/lab/echo", "one"),
    post("/lab/echo", "two"),
  ]);
  assert.deepEqual(seen, [200, 200]);
  await context.close();
});

await test("XMLHttpRequest: one run of events in the right order, for every type of answer", async () => {
  const { context, page } = await lab();
  const run = (type, n, plain) =>
    page.evaluate(
      ({ type, body, plain }) =>
        new Promise((done) => {
          const call = new XMLHttpRequest();
          const heard = [];
          const note = (name) => () => heard.push(name);
          call.onreadystatechange = () => heard.push(`state ${call.readyState}`);
          for (const name of ["loadstart", "progress", "load", "error", "abort", "timeout"]) call.addEventListener(name, note(name));
          for (const name of ["loadstart", "progress", "load", "loadend"]) call.upload.addEventListener(name, note(`upload ${name}`));
          call.addEventListener("loadend", async () => {
            heard.push("loadend");
            const { response } = call;
            const isText = typeof response === "string";
            const text = response && !isText && type !== "json" && type !== "document" ? await new Response(response).text() : response;
            done({ heard, status: call.status, text: type === "json" ? JSON.stringify(response) : type === "document" ? null : text, url: call.responseURL });
          });
          call.open("POST", plain ? "/lab/free" : "/lab/echo");
          call.responseType = type;
          call.setRequestHeader("content-type", "application/json");
          call.setRequestHeader("x-mine", "kept");
          call.send(body);
        }),
      { type, body: JSON.stringify({ n }), plain },
    );
  const once = (heard) => heard.filter((it, at) => it !== "progress" && (it !== heard[at - 1] || it !== "state 3"));
  for (const type of ["", "text", "json", "blob", "arraybuffer", "document"]) {
    const plain = await run(type, `p-${type}`, true);
    const seen = await run(type, `x-${type}`, false);
    assert.equal(seen.status, 200, type);
    // Of a document nothing can be read but its challenge: its body goes up again.
    const told = (heard) => once(heard).filter((it) => type !== "document" || !it.startsWith("upload"));
    assert.deepEqual(told(seen.heard), told(plain.heard), `as without a challenge: ${type || "text"}`);
    if (type !== "document") assert.match(seen.text, new RegExp(`x-${type}`));
    assert.equal(seen.url, `${BASE}/lab/echo`);
    const through = calls.filter((it) => it.path === "/lab/echo" && it.body.includes(`"x-${type}"`));
    assert.equal(through.length, 1, type);
    assert.equal(through[0].headers["x-mine"], "kept");
  }
  await context.close();
});

await test("who closes the dialog, by its button or by Escape inside and outside, ends the call as an abort", async () => {
  const { context, page } = await lab();
  await page.focus("#here");
  const start = () =>
    page.evaluate(({ path, how }) => {
      window.ended = [];
      fetch(path, how).catch((error) => window.ended.push(`fetch ${error.name}`));
      const call = new XMLHttpRequest();
      call.onreadystatechange = () => call.readyState === 4 && window.ended.push(`state 4 of ${call.status}`);
      for (const name of ["load", "abort", "loadend"]) call.addEventListener(name, () => window.ended.push(name));
      call.open("POST", path);
      call.send("{}");
    }, post("/lab/stuck", "x"));
  const escape = { button: () => page.click("dialog button"), outside: () => page.locator("dialog button").press("Escape"), inside: () => dialog(page).locator("#code").press("Escape") };
  for (const [where, close] of Object.entries(escape)) {
    await start();
    await dialog(page).locator("#code").waitFor();
    await page.waitForFunction(() => document.querySelector("dialog iframe").contentDocument.readyState === "complete");
    await close();
    await page.waitForFunction(() => window.ended.length >= 4);
    const ended = (await page.evaluate(() => window.ended)).sort();
    assert.deepEqual(ended, ["abort", "fetch AbortError", "loadend", "state 4 of 0"], where);
    assert.equal(await page.locator("dialog").count(), 0, where);
    assert.equal(await page.evaluate(() => document.activeElement.id), "here", `${where}: the focus is where it was`);
  }
  assert.equal(count("POST /lab/stuck"), 0);
  await context.close();
});

await test("a call that its page gives up waits no longer, and the dialog stays while another waits", async () => {
  const { context, page } = await lab();
  const seen = await page.evaluate(async ({ path, how }) => {
    const stop = new AbortController();
    const first = fetch(path, { ...how, signal: stop.signal }).catch((error) => error.message ?? error);
    const late = fetch(path, { ...how, signal: AbortSignal.timeout(2500) }).catch((error) => error.name);
    const heard = [];
    const call = new XMLHttpRequest();
    for (const name of ["load", "abort", "loadend"]) call.addEventListener(name, () => heard.push(name));
    call.open("POST", path);
    call.send("{}");
    const wait = (ms) => new Promise((next) => setTimeout(next, ms));
    while (!document.querySelector("dialog")) await wait(20);
    await wait(500);
    stop.abort(new Error("mine"));
    const told = [await first];
    call.abort();
    told.push(heard.join(" "), call.readyState, document.querySelectorAll("dialog").length);
    told.push(await late);
    await wait(50);
    told.push(document.querySelectorAll("dialog").length);
    return told;
  }, post("/lab/stuck", "x"));
  assert.deepEqual(seen, ["mine", "abort loadend", 0, 1, "TimeoutError", 0]);
  await context.close();
});

await test("what the script leaves alone: synchronous calls, other origins, calls without credentials, other answers", async () => {
  const { context, page } = await lab();
  const seen = await page.evaluate(async ({ path, how }) => {
    const call = new XMLHttpRequest();
    call.open("POST", path, false);
    call.setRequestHeader("content-type", "application/json");
    call.send(how.body);
    const bare = await fetch(path, { ...how, credentials: "omit" });
    const free = await fetch("/lab/free?x", { method: "PUT", body: new Blob(["a"]) });
    const bad = await fetch("http://[", how).catch((error) => error.name);
    return [call.status, bare.status, (await bare.json()).status, free.status, bad, document.querySelectorAll("dialog").length];
  }, post("/lab/echo", "left alone"));
  assert.deepEqual(seen, [401, 401, 401, 200, "TypeError", 0]);
  await context.close();
});

await test("forms, files and streams go on with what they carried", async () => {
  const { context, page } = await lab();
  const seen = await page.evaluate(async () => {
    const form = new FormData();
    form.append("n", "form");
    form.append("file", new File(["the file"], "a.txt"));
    const fields = new URLSearchParams({ n: "fields" });
    const answers = [];
    for (const body of [form, fields]) {
      const answer = await fetch("/lab/echo", { method: "POST", body });
      answers.push((await answer.json()).body);
    }
    return answers;
  });
  assert.match(seen[0], /name="n"\r\n\r\nform\r\n[^]*the file/);
  assert.equal(seen[1], "n=fields");
  await context.close();
});

await test("where the app asks by its answer, its page goes on after the proof", async () => {
  const { context, page } = await lab();
  const seen = await page.evaluate(async () => {
    const answer = await fetch("/lab/asks", { method: "PUT", body: "kept" });
    return [answer.status, (await answer.json()).body, answer.headers.get("stepward-require")];
  });
  assert.deepEqual(seen, [200, "kept", null]);
  assert.equal(count("PUT /lab/asks"), 2, "asked, then told");
  await context.close();
});

await test("a proof that is given elsewhere ends the dialog", async () => {
  const { context, page, code } = await person("dan");
  await page.goto(`${BASE}/lab`);
  const call = page.evaluate(async ({ path, how }) => (await fetch(path, how)).status, post("/lab/stuck", "elsewhere"));
  await dialog(page).locator("#code").waitFor();
  const address = await page.getAttribute("dialog iframe", "src");
  const other = await context.newPage();
  await other.goto(BASE + address);
  await answer(other, code());
  assert.equal(await call, 200);
  await page.locator("dialog").waitFor({ state: "detached" });
  await context.close();
});

await report("apps that no one here wrote");
