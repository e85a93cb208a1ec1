// Each method that a vendor carries, shows or looks at, for each kind of client: a page with scripts, one without, and the
// dialog of a call by script. `BASE` is the gateway of tests/it/browser/vendors.rs, `VENDOR` the port at which this script
// plays every vendor.
import { strict as assert } from "node:assert";
import { createServer } from "node:http";
import { fresh, report, test, until, violations } from "./common.mjs";

const { BASE, VENDOR } = process.env;
const HERE = `http://127.0.0.1:${VENDOR}`;
const messages = [];
const checks = new Map();
const pushes = new Map();
let users = 0;

const API = `const field = document.createElement("input");
field.type = "hidden"; field.name = "robots-response"; const robots = document.getElementById("robots");
field.value = [crypto.randomUUID(), robots.dataset.action].join(" ");
robots.append(field);`;

function vendor(method, path, body) {
  const [, what, id] = path.split("/");
  const made = String(checks.size + pushes.size + 1);
  if (path === "/api.js") return { type: "text/javascript", text: API };
  if (method === "POST" && what === "send") return messages.push(JSON.parse(body)) && { status: "pending" };
  if (what === "verify") {
    const [token, action] = new URLSearchParams(body).get("response").split(" ");
    return { success: Boolean(token), hostname: "localhost", action };
  }
  if (what === "start") {
    checks.set(made, { back: JSON.parse(body).back, status: "processing" });
    return { id: made, url: `${HERE}/check/${made}` };
  }
  if (what === "check") return { type: "text/html", text: `<title>Papers</title><a id="done" href="/done/${id}">Here they are</a>` };
  if (what === "done") return Object.assign(checks.get(id), { status: "approved" }) && { to: checks.get(id).back };
  if (what === "state") return { id, status: checks.get(id).status };
  if (method === "POST" && what === "push") return pushes.set(made, "pending") && { id: made, number: 42 };
  return { state: pushes.get(id), reason: null };
}

const server = createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    const { to, type = "application/json", text, ...json } = vendor(request.method, request.url, body);
    // As vendors do: nobody may show it in a frame.
    const head = { "content-type": type, "x-frame-options": "DENY" };
    response.writeHead(to ? 303 : 200, to ? { location: to } : head).end(text ?? JSON.stringify(json));
  });
});
await new Promise((ready) => server.listen(Number(VENDOR), "127.0.0.1", ready));

/** The newest code to this user: its digits, however they are read out. */
async function code(user) {
  const to = `+4477009001${String(user).padStart(2, "0")}`;
  const message = await until("a message", () => messages.findLast((it) => it.to === to));
  return message.text.match(/(?:\d\D{0,2}){6}/)[0].replace(/\D/g, "");
}

const press = (place, words) => place.locator("main form button", { hasText: words }).click();

/** Where no script looks again by itself, somebody does. */
async function look(place, scripts, selector) {
  if (scripts) return place.locator(selector).waitFor();
  await until(selector, async () => {
    if (await place.locator(selector).count()) return true;
    const again = place.locator("#waiting a");
    if (await again.count()) await again.click();
    return false;
  });
}

/** What a user does at the page or in the frame that asks; `leave` gives the window in which a vendor's page opens. */
const deeds = {
  async sms_code({ place, user }) {
    await place.locator("#code").fill(await code(user));
    await place.locator("form:has(#code) button").click();
  },
  async captcha({ place }) {
    await place.locator("[name=robots-response]").waitFor({ state: "attached" });
    await press(place, "Confirm");
  },
  async id_document({ place, leave }) {
    const window = await leave(() => press(place, "Check my identity document"));
    await window.waitForURL(`${HERE}/check/*`);
    await window.click("#done");
  },
  async push({ place, scripts }) {
    await press(place, "Send the request");
    await look(place, scripts, "#waiting strong");
    assert.match(await place.locator("#waiting").textContent(), /42/);
    pushes.set([...pushes.keys()].at(-1), "approved");
  },
};
deeds.voice_code = deeds.sms_code;

async function signedIn(options) {
  const { context, page } = await fresh(options);
  const user = users++;
  await page.goto(BASE);
  await page.click(`#user${user} button`);
  await page.waitForURL(`${BASE}/`);
  return { context, page, user };
}

for (const method of Object.keys(deeds)) {
  for (const scripts of [true, false]) {
    await test(`${method} on a page ${scripts ? "with" : "without"} scripts`, async () => {
      const { context, page, user } = await signedIn({ javaScriptEnabled: scripts });
      await page.click(`#${method} button`);
      await page.waitForURL(/\/\.stepward\/c\//);
      if (scripts) assert.deepEqual(await violations(page), []);
      if (method === "captcha" && !scripts) {
        assert.match(await page.textContent("main"), /needs JavaScript/);
        return context.close();
      }
      const leave = async (click) => (await click(), page);
      await deeds[method]({ place: page, user, scripts, leave });
      if (!scripts) {
        await look(page, false, "#resume");
        await page.click("#resume button");
      }
      await page.waitForSelector("#paid");
      assert.equal(new URL(page.url()).pathname, `/pay/${method}`);
      await context.close();
    });
  }

  await test(`${method} in the dialog of a call by script`, async () => {
    const { context, page, user } = await signedIn();
    const answer = page.evaluate(async (method) => {
      const response = await fetch(`/pay/${method}`, { method: "POST", body: new URLSearchParams({ n: "9" }) });
      return `${response.status} ${await response.text()}`;
    }, method);
    const place = page.frameLocator("dialog iframe");
    const leave = async (click) => (await Promise.all([context.waitForEvent("page"), click()]))[0];
    await deeds[method]({ place, user, scripts: true, leave });
    assert.match(await answer, /^200 .*Paid/);
    assert.equal(await page.locator("dialog").count(), 0);
    await context.close();
  });
}

server.close();
await report("methods of vendors");
