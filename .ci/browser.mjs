// Has Chromium try the reference at /docs, and pages call the server from other origins.
//
// node .ci/browser.mjs PROGRAM CHROMIUM PACKAGES OUTPUT: the program caseload, the browser, the directory that
// web-packages prepares, and that of the page's script, which gets the pictures.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [program, executablePath, packages, output] = process.argv.slice(2);
const load = createRequire(join(resolve(packages), "package.json"));
const { chromium } = load("playwright-core");
const { report, run } = await import(pathToFileURL(join(resolve(packages), "web-calls.mjs")));

/** The operation with the request of the documentation. */
const SAMPLE = "#operations-tasks-batchCreateTasks";
/** How long any step may take. */
const TIMEOUT = 30_000;

// --- The page of another origin, and the service -------------------------------------------------

/** Serves a page with the script that makes calls. `localhost` and 127.0.0.1 are two origins. */
async function servePage() {
  const script = readFileSync(join(output, "page.js"));
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : "<!doctype html><script src=page.js></script><link rel=icon href=data:,>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** Starts `caseload dev` in a directory, and waits until it serves. */
async function startService(directory, origin) {
  const readyFile = join(directory, "ready.json");
  const args = ["dev", "--data-dir", join(directory, "data"), "--ready-file", readyFile];
  args.push("--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0");
  args.push("--grpc-web", "--connect", "--cors-origins", origin);
  const service = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [service.stdout, service.stderr]) stream.on("data", (text) => (log += text));
  // However this process ends.
  process.prependListener("exit", () => service.kill());
  for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15]]) {
    process.on(signal, () => process.exit(128 + number));
  }
  const deadline = Date.now() + 60_000;
  while (!existsSync(readyFile)) {
    assert.equal(service.exitCode, null, log);
    assert.ok(Date.now() < deadline, log);
    await sleep(50);
  }
  return { service, ready: JSON.parse(readFileSync(readyFile, "utf8")) };
}

// --- The reference -------------------------------------------------------------------------------

/** Opens a page, and collects what must not happen on it. */
async function openPage(browser, options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(TIMEOUT);
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`error: ${error}`));
  page.on("requestfailed", (request) => faults.push(`no response: ${request.url()}`));
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.exposeFunction("violated", (text) => faults.push(`policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      violated(`${event.violatedDirective} ${event.blockedURI} ${event.sample} ${event.sourceFile}`);
    });
  });
  return { page, faults, requests };
}

/** A browser that opens the bare address is on the reference. */
async function openReference({ page }, ready) {
  const response = await page.goto(ready.rest_url);
  assert.equal(page.url(), `${ready.rest_url}/docs`);
  assert.equal(response.status(), 200);
  const policy = response.headers()["content-security-policy"];
  assert.match(policy, /script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(await page.title(), "Caseload API");
  await page.locator(SAMPLE).waitFor();
}

/** Enters the key, and sends the sample as it is. */
async function trySample({ page }, ready) {
  await page.fill("#api-key", ready.api_key);
  await page.click("text=Use this key");
  await page.locator(`text=ends with ${ready.api_key.slice(-4)}`).waitFor();
  await page.check("#send-key");
  await page.click("text=Open the sample");
  const operation = page.locator(SAMPLE);
  // The case of the demo is the first one.
  assert.equal(await operation.locator("[data-param-name=case_id] input").inputValue(), "1");
  assert.equal(ready.case_id, 1);
  const created = await execute(operation);
  const descriptions = created.tasks.map((task) => task.description);
  assert.deepEqual(descriptions, [
    "Review security logs for suspicious activity",
    "Update incident runbook",
    "Close related tickets",
  ]);
  return { operation, created };
}

/** Presses Execute. Returns the JSON that the page shows, whose status must be 201. */
async function execute(operation) {
  await operation.locator("button.execute").click();
  const response = operation.locator(".live-responses-table");
  await response.locator("tbody .response-col_status >> text=201").waitFor();
  return JSON.parse(await response.locator(".highlight-code code").first().innerText());
}

/** The key is nowhere on the page: whoever looks at the screen can't read it. */
async function hideKey({ page }, ready) {
  const text = await page.locator("body").innerText();
  assert.match(text, /-H "Authorization: Bearer \$CASELOAD_API_KEY"/);
  assert.ok(!text.includes(ready.api_key));
}

/** What deletes needs more than one click: no field says which case. */
async function openDeletion({ page }) {
  const operation = page.locator("#operations-cases-deleteCase");
  await operation.locator(".opblock-summary-control").click();
  assert.equal(await operation.locator("[data-param-name=case_id] input").inputValue(), "");
  await operation.locator(".opblock-summary-control").click();
}

/** Repeats the request with the same key: the first response is shown again. */
async function repeat({ operation, created }) {
  await operation.locator("button.btn-clear").click();
  await operation.locator(".live-responses-table").waitFor({ state: "detached" });
  assert.deepEqual(await execute(operation), created);
  await operation.locator("text=/idempotency-replayed: true/").first().waitFor();
}

/** Waits until the page is dark, or light. */
function waitForTheme(page, isDark) {
  const isSo = (isDark) => document.documentElement.classList.contains("dark-mode") === isDark;
  return page.waitForFunction(isSo, isDark);
}

/** Takes pictures of the introduction and of the response, as a system with this color scheme shows them. */
async function takePictures({ page }, colorScheme) {
  await page.emulateMedia({ colorScheme });
  await waitForTheme(page, colorScheme === "dark");
  for (const [name, selector] of [
    ["", "body"],
    ["-response", ".responses-wrapper"],
  ]) {
    const element = page.locator(selector).first();
    await element.evaluate((element) => element.scrollIntoView({ behavior: "instant" }));
    await page.screenshot({ path: join(output, `docs-${colorScheme}${name}.png`) });
  }
}

/** The reader's choice takes precedence over the system's, and is kept. */
async function chooseTheme({ page }) {
  await page.emulateMedia({ colorScheme: "light" });
  await waitForTheme(page, false);
  await page.click("#theme");
  await waitForTheme(page, true);
  await page.reload();
  await waitForTheme(page, true);
  await page.click("#theme");
  await waitForTheme(page, false);
  await page.locator(SAMPLE).waitFor();
}

/** The key is gone with the page. */
async function forgetKey({ page }) {
  await page.reload();
  await page.locator("text=No key is set").waitFor();
  await page.locator(SAMPLE).waitFor();
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.doesNotMatch(stored, /cl_/);
}

/** The tests of the reference, in their order. */
function referenceTests(opened, ready) {
  let sample;
  return {
    "the bare address leads to the reference": () => openReference(opened, ready),
    "the sample creates three tasks": async () => (sample = await trySample(opened, ready)),
    "the key is not shown": () => hideKey(opened, ready),
    "no example says what to delete": () => openDeletion(opened),
    "a repeat with the idempotency key gets the first response": () => repeat(sample),
    "pictures are taken in light and dark": async () => {
      await takePictures(opened, "light");
      await takePictures(opened, "dark");
      await opened.page.setViewportSize({ width: 400, height: 860 });
      await opened.page.screenshot({ path: join(output, "docs-narrow.png") });
    },
    "the reader can choose between light and dark": () => chooseTheme(opened),
    "the key is forgotten with the page": () => forgetKey(opened),
    "the page has no error, and its policy is not violated": () =>
      assert.deepEqual(opened.faults, []),
    "all requests are to the gateway": () => {
      const elsewhere = opened.requests.filter((url) => !url.startsWith(`${ready.rest_url}/`));
      assert.deepEqual(elsewhere.filter((url) => !url.startsWith("data:")), []);
      assert.ok(opened.requests.length > 5);
    },
  };
}

// --- Calls from pages ----------------------------------------------------------------------------

/** Has a page make the calls. */
async function callFrom(browser, origin, ready, mayCall) {
  const page = await browser.newPage();
  await page.goto(origin);
  const results = await page.evaluate(([ready, mayCall]) => callServer(ready, mayCall), [
    { grpc_url: ready.grpc_url, api_key: ready.api_key, case_id: ready.case_id },
    mayCall,
  ]);
  assert.ok(results.length >= 3);
  const from = mayCall ? "page that may call" : "page that may not";
  return results.map(([name, error]) => [`${from}: ${name}`, error]);
}

// --- All of it -----------------------------------------------------------------------------------

const directory = mkdtempSync(join(tmpdir(), "caseload-browser-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
const site = await servePage();
const { port } = site.address();
const { service, ready } = await startService(directory, `http://localhost:${port}`);
let failed = 1;
try {
  // Root has no sandbox; these pages are the project's own.
  const browser = await chromium.launch({ executablePath, chromiumSandbox: false });
  const viewport = { width: 1280, height: 900 };
  const opened = await openPage(browser, { viewport, colorScheme: "light" });
  const results = await run(referenceTests(opened, ready));
  results.push(...(await callFrom(browser, `http://localhost:${port}/`, ready, true)));
  results.push(...(await callFrom(browser, `http://127.0.0.1:${port}/`, ready, false)));
  await browser.close();
  failed = report(results);
  console.log(`Pictures: ${output}/docs-*.png`);
  console.log(`${results.length - failed} passed, ${failed} failed`);
} finally {
  const ended = once(service, "exit");
  service.kill();
  await ended;
}
process.exit(failed ? 1 : 0);
