// Every kind of page in every language, light and dark, at 320 px (which is 200 % zoom of 640), at twice the size of
// letters and on a desk, with and without scripts: axe, direction, width, and the way on. Then in forced colours, with a
// theme and by keyboard. `BASE` is the server of tests/it/browser/pages.rs.
//
// A page differs from its translation in words only, and axe's rules ask whether there are words, not which. So each
// document is looked at by all rules once for each direction, and again in other colours and on a desk; its translations by
// the rules that depend on how long words are. `AXE=every` takes no two documents for the same (a quarter of an hour).
import { strict as assert } from "node:assert";
import { AXE, faults, fresh, report, rules, test, together } from "./common.mjs";

const { BASE } = process.env;
const [languages, ...kinds] = (await (await fetch(`${BASE}/kinds`)).text()).split("\n");
// `LOCALES=he,zh` looks at these only.
const tags = (process.env.LOCALES || languages).split(/[ ,]/);
const everything = process.env.AXE === "every";
const RTL = ["ar", "he"];
const NARROW = { width: 320, height: 640 };
const DESK = { width: 1280, height: 800 };
// Looked at by all rules in every language and colour, whatever it has in common with others.
const ALWAYS = "challenge-email_code-slip";
// What axe can find differently in other colours and at another width: the document is the same, and so are its other rules.
const DRAWN = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"];
// What it can find differently in other words.
const SAID = ["document-title", "html-has-lang", "html-lang-valid", "scrollable-region-focusable", "target-size"];
const only = (values) => ({ ...rules(), runOnly: { type: "rule", values } });
const known = { plain: new Set(), scripts: new Set() };
let audits = 0;
let looks = 0;

/** In the page: everything that rules can tell apart, and what a look at it finds without them. */
function read() {
  const root = document.documentElement;
  document.querySelector("details")?.setAttribute("open", "");
  const words = /^(aria-label|alt|href|action|src|srcset|value|content|lang|data-.*)$/;
  const own = (it) => [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const attributes = (it) => [...it.attributes].map(({ name, value }) => `${name}=${words.test(name) ? Boolean(value) : value}`);
  const shape = [...document.querySelectorAll("*")].map((it) =>
    [it.parentElement?.localName, it.localName, ...attributes(it), it.checkVisibility(), own(it)].join(" "),
  );
  const named = [...document.querySelectorAll("a, button, summary, h1, h2, label, dt, dd, li, title")];
  return {
    shape: shape.join("\n"),
    lang: root.lang,
    dir: root.dir,
    wide: root.scrollWidth > innerWidth,
    way: Boolean(document.querySelector("a[href], form[action], button")),
    title: document.title,
    slip: Boolean(document.querySelector("#error")),
    focus: document.activeElement?.id,
    empty: named.filter((it) => !it.textContent.trim()).map((it) => it.outerHTML),
  };
}

/** What is wrong with the page as it stands, but for axe. */
async function look(page, name, tag) {
  looks++;
  let found = await page.evaluate(read);
  // Focus is given with the first picture that is drawn, which may come after the page is loaded.
  for (let wait = 0; found.slip && found.focus !== "error" && wait < 50; wait++) {
    await new Promise((resume) => setTimeout(resume, 100));
    found = await page.evaluate(read);
  }
  const faulty = (what) => faults.push(`${name}: ${what}`);
  if (found.lang !== tag) faulty(`it says it is in ${found.lang}`);
  if (found.dir !== (RTL.includes(tag) ? "rtl" : "ltr")) faulty(`its direction is ${found.dir}`);
  if (found.wide) faulty("it scrolls sideways");
  if (!found.way) faulty("it is a dead end");
  for (const it of found.empty) faulty(`it says nothing: ${it}`);
  if (found.slip && !/^.+: .+ – Tiny Bank$/.test(found.title)) faulty(`its title does not begin with the error: ${found.title}`);
  if (found.slip && found.focus !== "error") faulty(`the error has not got the focus, but ${found.focus}`);
  return found;
}

/** What axe finds by these rules on the page as it stands. */
async function audit(page, name, how = rules()) {
  audits++;
  if (!(await page.evaluate(() => Boolean(window.axe)))) await page.evaluate(AXE);
  const { violations } = await page.evaluate((how) => axe.run(how), how);
  for (const it of violations) faults.push(`${name}: ${it.id} at ${it.nodes.map((node) => node.target).join(", ")}`);
}

/** A look, and as much of axe as this document needs; `seen` are those that all rules have been over. */
async function whole(page, kind, tag, seen, mode) {
  const name = `${kind} in ${tag} ${mode}`;
  const { shape, dir } = await look(page, name, tag);
  const key = everything ? `${tag} ${kind}` : `${dir} ${shape}`;
  const isNew = !seen.has(key);
  seen.add(key);
  if (!isNew && kind !== ALWAYS) return audit(page, name, only(SAID));
  await audit(page, name);
  await page.emulateMedia({ colorScheme: "dark" });
  await audit(page, `${name}, dark`, only(DRAWN));
  if (isNew) {
    await page.setViewportSize(DESK);
    await audit(page, `${name}, dark, on a desk`, only(DRAWN));
    await page.emulateMedia({ colorScheme: "light" });
    await audit(page, `${name}, on a desk`, only(DRAWN));
    await page.setViewportSize(NARROW);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** A browser in which axe may run. */
async function open(options) {
  const { context, page } = await fresh({ bypassCSP: true, ...options });
  // A machine that builds at the same time is slow; none of this is about time.
  context.setDefaultTimeout(120_000);
  // A page that sends itself on would be gone before it is looked at.
  await page.addInitScript(() => { HTMLFormElement.prototype.requestSubmit = () => {}; });
  return { context, page };
}

// Three browsers for all: who has scripts, who has none, and who has letters of twice the size on a small window.
const readers = await Promise.all([
  open({ viewport: NARROW }),
  open({ viewport: NARROW }),
  open({ viewport: { width: 640, height: 800 } }),
]);
const [scripts, plain, large] = readers.map((it) => it.page);
await large.addInitScript(() => {
  addEventListener("DOMContentLoaded", () => { document.documentElement.style.fontSize = "200%"; });
});
// What is meant for browsers without scripts is shown, and scripts are taken out: axe itself has to run.
let still = "";
await plain.route(/\/kind\//, (route) => route.fulfill({ body: still, contentType: "text/html; charset=utf-8" }));

const lanes = [
  ["with scripts", async (tag, kind, mode) => {
    await scripts.goto(`${BASE}/kind/default/${tag}/${kind}`);
    await whole(scripts, kind, tag, known.scripts, mode);
  }],
  ["without scripts", async (tag, kind, mode) => {
    const html = await (await fetch(`${BASE}/kind/default/${tag}/${kind}`)).text();
    still = html.replace(/<script[^>]*><\/script>/g, "").replace(/<\/?noscript>/g, "");
    await plain.goto(`${BASE}/kind/default/${tag}/${kind}`);
    await whole(plain, kind, tag, known.plain, mode);
  }],
  ["with letters of twice the size", async (tag, kind, mode) => {
    await large.goto(`${BASE}/kind/default/${tag}/${kind}`);
    await look(large, `${kind} in ${tag} ${mode}`, tag);
  }],
].map(([mode, step]) => async () => {
  for (const tag of tags) {
    await test(`${kinds.length} kinds of page in ${tag} ${mode}`, async () => {
      for (const kind of kinds) await step(tag, kind, mode);
    }, 900);
  }
});
await together(lanes);
for (const { context } of readers) await context.close();

await test("axe with a tenant's theme, and its logo has the service's name", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { context, page } = await open({ colorScheme, viewport: NARROW });
    for (const kind of kinds) {
      await page.goto(`${BASE}/kind/themed/en/${kind}`, { waitUntil: "load" });
      await look(page, `${kind} with a theme`, "en");
      await audit(page, `${kind} with a theme, ${colorScheme}`, only(DRAWN));
    }
    const logo = page.getByRole("img", { name: "Tiny Bank" });
    assert.equal(await logo.count(), 1);
    assert.ok(await logo.evaluate((it) => it.naturalWidth > 0), "the logo is drawn");
    const served = await context.request.get(new URL(await logo.getAttribute("src"), BASE).href);
    assert.equal(served.headers()["content-security-policy"], "default-src 'none'; sandbox");
    const accent = await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue("--accent"));
    assert.equal(accent, colorScheme === "dark" ? "#7fd8b8" : "#0a6b4d");
    await context.close();
  }
});

await test("forced colours keep the edges of what can be pressed and filled in", async () => {
  const { context, page } = await open({ viewport: NARROW, forcedColors: "active" });
  await page.goto(`${BASE}/kind/default/en/challenge-totp`);
  const border = (name) => page.locator(name).first().evaluate((it) => {
    const { borderTopStyle, borderTopWidth, borderTopColor, backgroundColor } = getComputedStyle(it);
    return borderTopStyle === "solid" && parseFloat(borderTopWidth) > 0 && borderTopColor !== backgroundColor;
  });
  for (const name of [".primary", "input#code", "dl"]) assert.ok(await border(name), name);
  await look(page, "a challenge in forced colours", "en");
  await audit(page, "a challenge in forced colours");
  await context.close();
});

await test("nothing moves where somebody wants less motion", async () => {
  const { context, page } = await open({ reducedMotion: "reduce" });
  await page.goto(`${BASE}/kind/default/en/challenge-pow`);
  const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((it) => {
    const style = getComputedStyle(it);
    return style.animationName !== "none" || style.transitionDuration !== "0s" || (it.tagName === "PROGRESS" && style.display !== "none");
  }).map((it) => it.tagName));
  assert.deepEqual(moving, []);
  await context.close();
});

await test("the keyboard goes from top to bottom, and everything it reaches has a name", async () => {
  const { context, page } = await open({ viewport: DESK });
  for (const tag of ["en", "he"]) {
    await page.goto(`${BASE}/kind/default/${tag}/challenge-email_code-sent`);
    const reached = [];
    for (;;) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const it = document.activeElement;
        if (!it || it === document.body) return null;
        const box = it.getBoundingClientRect();
        const outline = getComputedStyle(it).outlineStyle !== "none";
        const name = it.labels?.[0]?.textContent || it.getAttribute("aria-label") || it.textContent;
        return { top: box.top + scrollY, outline, name: name.trim(), what: it.tagName };
      });
      if (!at || reached.length > 20) break;
      reached.push(at);
    }
    assert.deepEqual(reached.map((it) => it.what), ["INPUT", "BUTTON", "BUTTON", "SUMMARY", "A"], tag);
    assert.ok(reached.every((it) => it.name && it.outline), JSON.stringify(reached));
    const tops = reached.map((it) => it.top);
    assert.deepEqual(tops, [...tops].sort((a, b) => a - b), "in the order of the eye");
  }
  await context.close();
});

await report(`${looks} looks, ${audits} audits by axe, ${known.scripts.size + known.plain.size} documents`);
