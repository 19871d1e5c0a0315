// Makes calls with the browser protocols' own clients: gRPC-Web and Connect, over HTTP/1.1 and HTTP/2.
//
// node .ci/web.mjs READY_FILE PACKAGES GENERATED: the file that `caseload dev --ready-file` writes, the
// directory of the npm packages, and that of the generated code.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [readyFile, packages, generated] = process.argv.slice(2);
const ready = JSON.parse(readFileSync(readyFile, "utf8"));
const require = createRequire(join(resolve(packages), "package.json"));
const load = (name) => require(name);

const { Code, ConnectError, createClient } = load("@connectrpc/connect");
const connectWeb = load("@connectrpc/connect-web");
const connectNode = load("@connectrpc/connect-node");
const { fromBinary, toBinary, create } = load("@bufbuild/protobuf");
const grpcWeb = load("grpc-web");
// grpc-web takes it from the page.
globalThis.XMLHttpRequest = load("xhr2");

const service = await import(
  pathToFileURL(join(resolve(generated), "caseload/tasks/v1/task_service_pb.js"))
);
const { BatchCreateTasksRequestSchema, BatchCreateTasksResponseSchema, TaskService } = service;

const baseUrl = ready.grpc_url;
const caseId = BigInt(ready.case_id);
const key = ready.api_key;
const authorization = `Bearer ${key}`;
const batch = { caseId, tasks: [{ description: "a task", assigneeEmails: ["user1@example.com"] }] };

/** Checks the answer to the batch. */
function assertCreated(response) {
  assert.equal(response.tasks.length, 1);
  const [task] = response.tasks;
  assert.equal(task.description, "a task");
  assert.equal(task.caseId, caseId);
  assert.equal(task.assignees[0].email, "user1@example.com");
  assert.equal(typeof task.createdAt.seconds, "bigint");
}

/** Returns what a call of Connect's library throws. */
async function failure(call) {
  const error = await call().then(() => assert.fail("it succeeded"), (error) => error);
  assert.ok(error instanceof ConnectError, error);
  return error;
}

/** The tests with Connect's library over one transport. */
async function withConnect(transport) {
  const client = createClient(TaskService, transport);
  const headers = { authorization };

  let replayed;
  const requestId = crypto.randomUUID();
  const onHeader = (answered) => (replayed = answered.get("idempotency-replayed"));
  const first = await client.batchCreateTasks({ ...batch, requestId }, { headers, onHeader });
  assertCreated(first);
  assert.equal(replayed, null);
  const again = await client.batchCreateTasks({ ...batch, requestId }, { headers, onHeader });
  assert.equal(again.tasks[0].id, first.tasks[0].id);
  assert.equal(replayed, "true");

  const got = await client.getTask({ caseId, taskId: first.tasks[0].id }, { headers });
  assert.equal(got.task.description, "a task");

  const invalid = await failure(() =>
    client.batchCreateTasks({ caseId, tasks: [{ description: "" }] }, { headers }),
  );
  assert.equal(invalid.code, Code.InvalidArgument);
  assert.equal(invalid.rawMessage, "1 field violation; nothing was changed");
  const types = invalid.details.map((detail) => detail.type);
  assert.deepEqual(types, ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]);
  assert.ok(invalid.metadata.get("x-request-id"));

  for (const [headers, code] of [
    [{}, Code.Unauthenticated],
    [{ authorization: `${authorization}x` }, Code.Unauthenticated],
  ]) {
    assert.equal((await failure(() => client.batchCreateTasks(batch, { headers }))).code, code);
  }
  const missing = await failure(() => client.getTask({ caseId, taskId: 1n << 40n }, { headers }));
  assert.equal(missing.code, Code.NotFound);
}

/** The tests with gRPC-Web's library in one of its formats. */
async function withGrpcWeb(format) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  const method = new grpcWeb.MethodDescriptor(
    "/caseload.tasks.v1.TaskService/BatchCreateTasks",
    grpcWeb.MethodType.UNARY,
    Object,
    Object,
    (message) => toBinary(BatchCreateTasksRequestSchema, message),
    (bytes) => fromBinary(BatchCreateTasksResponseSchema, bytes),
  );
  const call = (content, metadata) => {
    const message = create(BatchCreateTasksRequestSchema, content);
    return client.unaryCall(baseUrl + method.name, message, metadata, method);
  };
  assertCreated(await call(batch, { authorization }));
  const { StatusCode } = grpcWeb;
  for (const [content, metadata, code] of [
    [{ caseId, tasks: [{}] }, { authorization }, StatusCode.INVALID_ARGUMENT],
    [batch, {}, StatusCode.UNAUTHENTICATED],
  ]) {
    const error = await call(content, metadata).then(() => assert.fail(), (error) => error);
    assert.equal(error.code, code, error);
    assert.ok(error.metadata["grpc-status-details-bin"], "details");
  }
}

const tests = {
  "connect-web, Connect in JSON": () =>
    withConnect(connectWeb.createConnectTransport({ baseUrl })),
  "connect-web, Connect in protobuf": () =>
    withConnect(connectWeb.createConnectTransport({ baseUrl, useBinaryFormat: true })),
  "connect-web, gRPC-Web": () => withConnect(connectWeb.createGrpcWebTransport({ baseUrl })),
  "grpc-web, binary": () => withGrpcWeb("binary"),
  "grpc-web, base64": () => withGrpcWeb("text"),
};
for (const httpVersion of ["1.1", "2"]) {
  // It compresses nothing unless it is told to.
  const options = { baseUrl, httpVersion };
  tests[`connect-node, Connect in JSON, HTTP/${httpVersion}`] = () =>
    withConnect(connectNode.createConnectTransport({ ...options, useBinaryFormat: false }));
  tests[`connect-node, Connect in protobuf, HTTP/${httpVersion}`] = () =>
    withConnect(connectNode.createConnectTransport({ ...options, useBinaryFormat: true }));
  tests[`connect-node, gRPC-Web, HTTP/${httpVersion}`] = () =>
    withConnect(connectNode.createGrpcWebTransport(options));
}
tests["connect-node, gRPC"] = () => withConnect(connectNode.createGrpcTransport({ baseUrl }));

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}`);
    console.error(error);
  }
}
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
