// Takes the pictures of docs/guides/pages.md: `cargo test --test it pictures_of_the_docs -- --ignored`.
import { writeFileSync } from "node:fs";
import { fresh, report } from "./common.mjs";

const SHOTS = [
  { name: "page-light", path: "default/en/challenge-email_code-sent", colorScheme: "light" },
  { name: "page-dark", path: "default/de/challenge-totp", colorScheme: "dark" },
  { name: "page-rtl", path: "default/ar/challenge-totp-slip", colorScheme: "light" },
  { name: "page-theme", path: "themed/fr/challenge-totp", colorScheme: "light" },
];

for (const { name, path, colorScheme } of SHOTS) {
  const { context, page } = await fresh({ colorScheme, viewport: { width: 390, height: 700 } });
  await page.goto(`${process.env.BASE}/kind/${path}`, { waitUntil: "load" });
  const client = await context.newCDPSession(page);
  const { data } = await client.send("Page.captureScreenshot", { format: "webp", quality: 80 });
  writeFileSync(new URL(`../../docs/images/${name}.webp`, import.meta.url), Buffer.from(data, "base64"));
  await context.close();
}
await report(`${SHOTS.length} pictures`);
