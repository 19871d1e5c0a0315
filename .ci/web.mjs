// Makes calls with the browser protocols' own clients: gRPC-Web and Connect, over HTTP/1.1 and HTTP/2.
//
// node .ci/web.mjs READY_FILE PACKAGES: the file that `caseload dev --ready-file` writes, and the directory that
// web-packages prepares.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [readyFile, packages] = process.argv.slice(2);
const ready = { ...JSON.parse(readFileSync(readyFile, "utf8")), newId: () => crypto.randomUUID() };
const load = createRequire(join(resolve(packages), "package.json"));

const connectNode = load("@connectrpc/connect-node");
// grpc-web takes it from the page.
globalThis.XMLHttpRequest = load("xhr2");
const calls = pathToFileURL(join(resolve(packages), "web-calls.mjs"));
const { report, run, webTests, withConnect } = await import(calls);

const baseUrl = ready.grpc_url;
const tests = webTests(ready);
for (const httpVersion of ["1.1", "2"]) {
  // It compresses nothing unless it is told to.
  const options = { baseUrl, httpVersion };
  const connect = (useBinaryFormat) =>
    connectNode.createConnectTransport({ ...options, useBinaryFormat });
  const grpcWeb = () => connectNode.createGrpcWebTransport(options);
  tests[`connect-node, Connect in JSON, HTTP/${httpVersion}`] = () =>
    withConnect(connect(false), ready);
  tests[`connect-node, Connect in protobuf, HTTP/${httpVersion}`] = () =>
    withConnect(connect(true), ready);
  tests[`connect-node, gRPC-Web, HTTP/${httpVersion}`] = () => withConnect(grpcWeb(), ready);
}
tests["connect-node, gRPC"] = () =>
  withConnect(connectNode.createGrpcTransport({ baseUrl }), ready);

const results = await run(tests);
const failed = report(results);
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
