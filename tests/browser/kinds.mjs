// Every kind of page in every language, light and dark, at 320 px and on a desk: axe, direction, width, and the way on.
// Then some of them without scripts, in forced colours, at twice the size of letters, and by keyboard. `BASE` is the
// server of tests/it/browser/pages.rs.
import { strict as assert } from "node:assert";
import { AXE, faults, fresh, report, rules, test, together } from "./common.mjs";

const BASE = process.env.BASE;
const [languages, ...kinds] = (await (await fetch(`${BASE}/kinds`)).text()).split("\n");
// `LOCALES=he,zh` looks at these only.
const tags = (process.env.LOCALES || languages).split(/[ ,]/);
const RTL = ["ar", "he"];
const WIDTHS = { narrow: { width: 320, height: 640 }, wide: { width: 1280, height: 800 } };
// What axe can find differently in other colours and at another width: the document is the same, and so are its other rules.
const DRAWN = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"];
const drawn = { ...rules(), runOnly: { type: "rule", values: DRAWN } };
let audits = 0;

/** What is wrong with the page as it stands: one call into the page, for there are a thousand. */
async function look(page, name, tag, axe = rules()) {
  audits++;
  const found = await page.evaluate(async (axe) => {
    document.querySelector("details")?.setAttribute("open", "");
    const root = document.documentElement;
    const way = "a[href], form[action], button";
    const { violations } = await window.axe.run(axe);
    return {
      lang: root.lang,
      dir: root.dir,
      wide: root.scrollWidth > innerWidth,
      way: Boolean(document.querySelector(way)),
      title: document.title,
      slip: Boolean(document.querySelector("#error")),
      focus: document.activeElement?.id,
      violations: violations.map((it) => `${it.id} at ${it.nodes.map((node) => node.target).join(", ")}`),
    };
  }, axe);
  const faulty = (what) => faults.push(`${name}: ${what}`);
  for (const it of found.violations) faulty(it);
  if (found.lang !== tag) faulty(`it says it is in ${found.lang}`);
  if (found.dir !== (RTL.includes(tag) ? "rtl" : "ltr")) faulty(`its direction is ${found.dir}`);
  if (found.wide) faulty("it scrolls sideways");
  if (!found.way) faulty("it is a dead end");
  if (found.slip && !/^.+: .+ – Tiny Bank$/.test(found.title)) faulty(`its title does not begin with the error: ${found.title}`);
  if (found.slip && found.focus !== "error") faulty(`the error has not got the focus, but ${found.focus}`);
}

/** A browser in which axe is at hand on every page. */
async function open(options) {
  const { context, page } = await fresh({ bypassCSP: true, ...options });
  // A machine that builds at the same time is slow; none of this is about time.
  context.setDefaultTimeout(120_000);
  await page.addInitScript(AXE);
  // A page that sends itself on would be gone before it is looked at.
  await page.addInitScript(() => { HTMLFormElement.prototype.requestSubmit = () => {}; });
  return { context, page };
}

const jobs = tags.map((tag) => () => test(`axe on ${kinds.length} kinds of page in ${tag}: light and dark, narrow and wide`, async () => {
  const { context, page } = await open({ viewport: WIDTHS.narrow });
  for (const kind of kinds) {
    await page.goto(`${BASE}/kind/default/${tag}/${kind}`, { waitUntil: "load" });
    for (const [width, viewport] of Object.entries(WIDTHS)) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        const first = width === "narrow" && colorScheme === "light";
        await look(page, `${kind} in ${tag}, ${colorScheme}, ${width}`, tag, first ? rules() : drawn);
      }
    }
  }
  await context.close();
}));
await together(jobs, 2);

await test("axe without scripts: what is meant for browsers without them is shown, and scripts are taken out", async () => {
  const { context, page } = await open({ viewport: WIDTHS.narrow });
  for (const tag of ["en", "ar", "ja"]) {
    for (const kind of kinds) {
      const html = await (await context.request.get(`${BASE}/kind/default/${tag}/${kind}`)).text();
      const still = html.replace(/<script[^>]*><\/script>/g, "").replace(/<\/?noscript>/g, "");
      await page.unroute(`${BASE}/still`);
      await page.route(`${BASE}/still`, (route) => route.fulfill({ body: still, contentType: "text/html; charset=utf-8" }));
      await page.goto(`${BASE}/still`);
      await look(page, `${kind} in ${tag} without scripts`, tag);
    }
  }
  await context.close();
});

await test("axe with a tenant's theme, and its logo has the service's name", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { context, page } = await open({ colorScheme, viewport: WIDTHS.narrow });
    for (const kind of kinds) {
      await page.goto(`${BASE}/kind/themed/en/${kind}`, { waitUntil: "load" });
      await look(page, `${kind} with a theme, ${colorScheme}`, "en");
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
  const { context, page } = await open({ viewport: WIDTHS.narrow, forcedColors: "active" });
  await page.goto(`${BASE}/kind/default/en/challenge-totp`);
  const border = (name) => page.locator(name).first().evaluate((it) => {
    const { borderTopStyle, borderTopWidth, borderTopColor, backgroundColor } = getComputedStyle(it);
    return borderTopStyle === "solid" && parseFloat(borderTopWidth) > 0 && borderTopColor !== backgroundColor;
  });
  for (const name of [".primary", "input#code", "dl"]) assert.ok(await border(name), name);
  await look(page, "a challenge in forced colours", "en");
  await context.close();
});

await test("letters of twice the size need no scrolling sideways", async () => {
  const { context, page } = await open({ viewport: { width: 640, height: 800 } });
  for (const tag of tags) {
    for (const kind of ["challenge-email_code-slip", "methods", "recovery", "notice-locked"]) {
      await page.goto(`${BASE}/kind/default/${tag}/${kind}`);
      await page.evaluate(() => { document.documentElement.style.fontSize = "200%"; });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(wide, false, `${kind} in ${tag}`);
    }
  }
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
  const { context, page } = await open({ viewport: WIDTHS.wide });
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

await report(`${audits} audits by axe`);
