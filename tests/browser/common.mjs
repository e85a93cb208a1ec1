// What the browser tests share: one Chromium, people with fresh browsers, codes, axe, and a report at the end.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
export const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

export const faults = [];
export const browser = await chromium
  .launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  })
  .catch((error) => {
    console.error(`Chromium does not start: run \`make deps-browser\`\n${error.message}`);
    process.exit(1);
  });

/** Runs one story; a fault is kept and told, and the next story begins. */
export async function test(name, body, seconds = 120) {
  const began = Date.now();
  let late;
  const limit = new Promise((_, reject) => (late = setTimeout(() => reject(new Error(`not over in ${seconds} s`)), seconds * 1000)));
  try {
    await Promise.race([body(), limit]);
    console.log(`ok   ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    faults.push(`${name}: ${error.stack}`);
    console.log(`FAIL ${name}: ${error.message}`);
  } finally {
    clearTimeout(late);
  }
}

/** Runs these jobs, so many at a time. */
export async function together(jobs, width = 3) {
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) await job();
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** A browser of its own, with its own cookies; faults of scripts and of the content policy are faults of the test. */
export async function fresh(options = {}) {
  const context = await browser.newContext({ locale: "en", ...options });
  context.setDefaultTimeout(20_000);
  context.on("page", (page) => {
    page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) faults.push(`CSP: ${message.text()}`);
    });
    page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  });
  return { context, page: await context.newPage() };
}

/** How axe is run here: what is right is not listed, and style sheets are those of the page itself. */
export const rules = () => ({ runOnly: { type: "tag", values: RULES }, resultTypes: ["violations"], preload: false });

/** What axe finds on the page as it stands, in words. */
export async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate((how) => axe.run(how), rules());
  return found.violations.map((it) => `${it.id} at ${it.nodes.map((node) => node.target).join(", ")}`);
}

/** Asks until the answer is not empty. */
export async function until(what, ask, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${what} did not happen in ${seconds} s`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

/** RFC 4648 base32 without padding. */
export function base32(text) {
  const bytes = [];
  let bits = 0;
  let value = 0;
  for (const letter of text) {
    value = (value << 5) | "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 255);
      value &= (1 << bits) - 1;
    }
  }
  return Buffer.from(bytes);
}

/** RFC 6238 with SHA-1, six digits and thirty seconds; `ahead` steps from now. */
export function totp(secret, ahead = 0) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const digest = createHmac("sha1", secret).update(counter).digest();
  const at = digest[digest.length - 1] & 15;
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** Ends the run: every fault once more, and an exit code. */
export async function report(told) {
  await browser.close();
  for (const fault of faults) console.error(fault);
  console.log(`${told}, ${faults.length} faults`);
  process.exit(faults.length ? 1 : 0);
}
