// Takes the pictures of the guides: `cargo test --test it pictures_of_the_docs -- --ignored`. One of every method that
// there is, on a narrow screen, and some that show languages, colours and what is set up. `BASE` is the server of
// tests/it/browser/pages.rs.
import { writeFileSync } from "node:fs";
import { fresh, report } from "./common.mjs";

const { BASE } = process.env;
const [, ...kinds] = (await (await fetch(`${BASE}/kinds`)).text()).split("\n");
const methods = new Set(kinds.map((it) => /^challenge-([a-z_]+)/.exec(it)?.[1]).filter(Boolean));
// The page that says most about a method: what waits at a telephone, a code that is on its way, else what it asks.
const telling = (method) => {
  const ends = method === "id_document" ? [""] : ["-pending", "-sent", ""];
  return ends.map((end) => `challenge-${method}${end}`).find((it) => kinds.includes(it));
};
const DARK = ["passkey", "push"];

const SHOTS = [
  ...[...methods].map((it) => ({ name: `method-${it}`, path: `default/en/${telling(it)}`, dark: DARK.includes(it) })),
  { name: "set-up", path: "default/en/methods-several" },
  { name: "set-up-passkey", path: "default/en/passkey" },
  { name: "set-up-recovery", path: "default/en/recovery" },
  { name: "page-light", path: "default/en/challenge-email_code-sent" },
  { name: "page-dark", path: "default/de/challenge-totp", dark: true },
  { name: "page-rtl", path: "default/ar/challenge-totp-slip" },
  { name: "page-theme", path: "themed/fr/challenge-totp" },
];

for (const { name, path, dark } of SHOTS) {
  const { context, page } = await fresh({ colorScheme: dark ? "dark" : "light", viewport: { width: 390, height: 700 } });
  // The browser check would be over before it is seen.
  await page.addInitScript(() => { HTMLFormElement.prototype.requestSubmit = () => {}; });
  await page.goto(`${BASE}/kind/${path}`, { waitUntil: "load" });
  const bottom = await page.evaluate(() => Math.ceil(document.querySelector("main").getBoundingClientRect().bottom) + 16);
  const client = await context.newCDPSession(page);
  const clip = { x: 0, y: 0, width: 390, height: Math.min(bottom, 900), scale: 1 };
  const how = { format: "webp", quality: 70, captureBeyondViewport: true, clip };
  const { data } = await client.send("Page.captureScreenshot", how);
  writeFileSync(new URL(`../../docs/images/${name}.webp`, import.meta.url), Buffer.from(data, "base64"));
  await context.close();
}
await report(`${SHOTS.length} pictures`);
