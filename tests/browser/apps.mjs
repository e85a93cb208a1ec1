// The apps that `spa.mjs` drives, as their own documentation says to serve them; what they keep is kept here, so that
// a test can look at what really came through.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, existsSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { until } from "./common.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const BOARD = here("node_modules/@bull-board/ui/dist/");
const SWAGGER = here("node_modules/swagger-ui-dist/");
const TYPES = { js: "text/javascript", css: "text/css", html: "text/html; charset=utf-8", png: "image/png", ico: "image/x-icon" };

/** Every call that reached an app: method, path and body. */
export const calls = [];
export const count = (line) => calls.filter((it) => `${it.method} ${it.path}`.startsWith(line)).length;

/** Django's admin on this port, with these people in its database. */
export async function django(port, database, people) {
  const env = { ...process.env, DATABASE: database, PYTHONPATH: `${here("python")}:${here(".")}`, PYTHONDONTWRITEBYTECODE: "1" };
  const options = { env, cwd: here("."), stdio: ["ignore", "ignore", "inherit"] };
  const made = spawnSync("python3", ["-m", "django_site.people", ...people], options);
  if (made.error || made.status !== 0) {
    console.error(`Django does not start: run \`make deps-browser\` ${made.error ?? ""}`);
    process.exit(1);
  }
  const settings = ["--settings", "django_site.settings", "--noreload", "--skip-checks"];
  const quiet = { ...options, stdio: ["ignore", "ignore", "ignore"] };
  const server = spawn("python3", ["-m", "django", "runserver", `127.0.0.1:${port}`, ...settings], quiet);
  process.on("exit", () => server.kill());
  const answers = () => fetch(`http://127.0.0.1:${port}/admin/login/`).then((it) => it.ok).catch(() => false);
  await until("Django", answers, 60);
}

const queues = [queue("letters"), queue("payments")];

function queue(name) {
  const statuses = ["latest", "active", "waiting", "completed", "failed", "delayed", "paused"];
  const counts = Object.fromEntries(statuses.slice(1).map((status) => [status, 0]));
  const pagination = { pageCount: 1, range: { start: 0, end: 9 } };
  const may = { readOnlyMode: false, allowRetries: true, allowCompletedRetries: true };
  const rest = { isPaused: false, type: "bullmq", delimiter: "", globalConcurrency: null, activeRateLimitTtl: 0 };
  return { name, statuses, counts, jobs: [], pagination, ...may, ...rest, jobSchedulerCount: 0, hasWorkers: null };
}

/** Bull Dashboard's page, with the content policy that Helmet documents for nonces. */
function board(response) {
  const nonce = randomBytes(16).toString("base64");
  const said = {
    basePath: "/",
    title: "Queues",
    favIconAlternative: "static/favicon.ico",
    favIconDefault: "static/favicon.ico",
    uiConfig: JSON.stringify({ boardTitle: "Queues", pollingInterval: { showSetting: true, forceInterval: 60 } }),
  };
  const page = readFileSync(`${BOARD}index.ejs`, "utf8")
    .replace(/<%[=-] (\w+) %>/g, (_, name) => said[name])
    .replace(/<link href="https:[^>]*>/g, "") // fonts from elsewhere; tests reach no other machine
    .replace(/<script /g, `<script nonce="${nonce}" `);
  const policy = `default-src 'self'; script-src 'nonce-${nonce}' 'strict-dynamic'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-src 'none'`;
  response.writeHead(200, { "content-type": TYPES.html, "content-security-policy": policy }).end(page);
}

const DOCUMENT = {
  openapi: "3.0.3",
  info: { title: "Pets", version: "1" },
  paths: {
    "/api/pets/{id}": {
      put: {
        operationId: "changePet",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "integer", default: 7 } }],
        requestBody: { content: { "application/json": { schema: { type: "object", example: { name: "Rex" } } } } },
        responses: { 200: { description: "changed" } },
      },
    },
  },
};

const INITIALIZER = `window.onload = () => { window.ui = SwaggerUIBundle({ url: "/docs/openapi.json", dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset], layout: "StandaloneLayout" }); };`;

const LAB = `<!doctype html><html lang="en"><head><title>Lab</title></head><body><h1>Lab</h1><button id="here">Here</button></body></html>`;
const LAB_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'";

function file(response, path) {
  if (path.includes("..") || !existsSync(path)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": TYPES[path.split(".").pop()] ?? "application/octet-stream" });
  response.end(readFileSync(path));
}

function answer(request, response, body) {
  const { pathname } = new URL(request.url, "http://apps");
  const json = (value) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  const paused = /^\/api\/queues\/(\w+)\/(pause|resume)$/.exec(pathname);
  if (request.method !== "GET") calls.push({ method: request.method, path: pathname, body, headers: request.headers });
  if (pathname.startsWith("/static/")) return file(response, BOARD + pathname.slice(1));
  if (pathname === "/api/queues") return json({ queues });
  if (paused && request.method === "PUT") {
    queues.find((it) => it.name === paused[1]).isPaused = paused[2] === "pause";
    return json({});
  }
  if (pathname === "/docs/openapi.json") return json(DOCUMENT);
  if (pathname === "/docs/swagger-initializer.js") return response.writeHead(200, { "content-type": TYPES.js }).end(INITIALIZER);
  if (pathname.startsWith("/docs/")) return file(response, SWAGGER + (pathname.slice(6) || "index.html"));
  if (pathname.startsWith("/api/pets/")) return json({ changed: JSON.parse(body) });
  if (pathname === "/lab") {
    return response.writeHead(200, { "content-type": TYPES.html, "content-security-policy": LAB_POLICY }).end(LAB);
  }
  if (pathname === "/lab/asks" && !request.headers["stepward-assurance"]) {
    return response.writeHead(401, { "stepward-require": "pow;max-age=60" }).end();
  }
  if (pathname.startsWith("/lab/")) return json({ path: pathname, method: request.method, body });
  return board(response);
}

/** Everything but Django, on this port. */
export function apps(port) {
  const server = createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => answer(request, response, Buffer.concat(pieces).toString("latin1")));
  });
  return new Promise((ready) => server.listen(port, "127.0.0.1", ready));
}
