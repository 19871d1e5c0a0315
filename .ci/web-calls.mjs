// Calls with the clients of gRPC-Web and Connect, in node (web.mjs) and in a browser (browser-page.mjs). The
// packages of both, and the code that is generated for them, are in the directory to which web-packages
// copies this file.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import grpcWeb from "grpc-web";
import {
  BatchCreateTasksRequestSchema,
  BatchCreateTasksResponseSchema,
  TaskService,
} from "./gen/caseload/tasks/v1/task_service_pb.js";

/** Fails unless the two are the same, as JSON. */
function equal(found, expected, what = "") {
  const write = (value) =>
    JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part));
  if (write(found) !== write(expected)) {
    throw new Error(`${what} ${write(found)} rather than ${write(expected)}`);
  }
}

/** Returns what a call throws. */
async function failure(call) {
  return await call().then(
    () => {
      throw new Error("the call succeeded");
    },
    (error) => error,
  );
}

/** Returns what a call of Connect's library throws. */
async function connectFailure(call) {
  const error = await failure(call);
  equal(error instanceof ConnectError, true, String(error));
  return error;
}

/** The batch, in the case that `ready` names: the content of the file that `caseload dev` writes. */
function batchOf(ready) {
  const tasks = [{ description: "a task", assigneeEmails: ["user1@example.com"] }];
  return { caseId: BigInt(ready.case_id), tasks };
}

/** Checks the answer to the batch. */
function checkCreated(response, ready) {
  equal(response.tasks.length, 1);
  const [task] = response.tasks;
  equal(task.description, "a task");
  equal(task.caseId, BigInt(ready.case_id));
  equal(task.assignees[0].email, "user1@example.com");
  equal(typeof task.createdAt.seconds, "bigint");
}

/** Makes calls with Connect's library over one transport. */
export async function withConnect(transport, ready) {
  const client = createClient(TaskService, transport);
  const [batch, caseId] = [batchOf(ready), BigInt(ready.case_id)];
  const headers = { authorization: `Bearer ${ready.api_key}` };

  let replayed;
  const requestId = ready.newId();
  const onHeader = (answered) => (replayed = answered.get("idempotency-replayed"));
  const first = await client.batchCreateTasks({ ...batch, requestId }, { headers, onHeader });
  checkCreated(first, ready);
  equal(replayed, null);
  const again = await client.batchCreateTasks({ ...batch, requestId }, { headers, onHeader });
  equal(again.tasks[0].id, first.tasks[0].id);
  equal(replayed, "true");

  const got = await client.getTask({ caseId, taskId: first.tasks[0].id }, { headers });
  equal(got.task.description, "a task");

  const invalid = await connectFailure(() =>
    client.batchCreateTasks({ caseId, tasks: [{ description: "" }] }, { headers }),
  );
  equal(invalid.code, Code.InvalidArgument);
  equal(invalid.rawMessage, "1 field violation; nothing was changed");
  const types = invalid.details.map((detail) => detail.type);
  equal(types, ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]);
  equal(invalid.metadata.has("x-request-id"), true, "x-request-id");

  for (const headers of [{}, { authorization: `Bearer ${ready.api_key}x` }]) {
    const error = await connectFailure(() => client.batchCreateTasks(batch, { headers }));
    equal(error.code, Code.Unauthenticated);
  }
  const missing = () => client.getTask({ caseId, taskId: 1n << 40n }, { headers });
  equal((await connectFailure(missing)).code, Code.NotFound);
}

/** Returns a call of gRPC-Web's library in one of its formats. */
function grpcWebCall(format, ready) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  const method = new grpcWeb.MethodDescriptor(
    "/caseload.tasks.v1.TaskService/BatchCreateTasks",
    grpcWeb.MethodType.UNARY,
    Object,
    Object,
    (message) => toBinary(BatchCreateTasksRequestSchema, message),
    (bytes) => fromBinary(BatchCreateTasksResponseSchema, bytes),
  );
  return (content, metadata) => {
    const message = create(BatchCreateTasksRequestSchema, content);
    return client.unaryCall(ready.grpc_url + method.name, message, metadata, method);
  };
}

/** Makes calls with gRPC-Web's library in one of its formats. */
export async function withGrpcWeb(format, ready) {
  const call = grpcWebCall(format, ready);
  const [batch, authorization] = [batchOf(ready), `Bearer ${ready.api_key}`];
  checkCreated(await call(batch, { authorization }), ready);
  const { StatusCode } = grpcWeb;
  for (const [content, metadata, code] of [
    [{ ...batch, tasks: [{}] }, { authorization }, StatusCode.INVALID_ARGUMENT],
    [batch, {}, StatusCode.UNAUTHENTICATED],
  ]) {
    const error = await failure(() => call(content, metadata));
    equal(error.code, code, String(error));
    equal("grpc-status-details-bin" in error.metadata, true, "details");
  }
}

/** The tests of the libraries that work in browsers and in node, by their names. */
export function webTests(ready) {
  const baseUrl = ready.grpc_url;
  return {
    "connect-web, Connect in JSON": () => withConnect(createConnectTransport({ baseUrl }), ready),
    "connect-web, Connect in protobuf": () =>
      withConnect(createConnectTransport({ baseUrl, useBinaryFormat: true }), ready),
    "connect-web, gRPC-Web": () => withConnect(createGrpcWebTransport({ baseUrl }), ready),
    "grpc-web, binary": () => withGrpcWeb("binary", ready),
    "grpc-web, base64": () => withGrpcWeb("text", ready),
  };
}

/** The same libraries on a page that may not call: each call fails without an answer that it may read. */
export function refusedTests(ready) {
  const baseUrl = ready.grpc_url;
  const [batch, authorization] = [batchOf(ready), `Bearer ${ready.api_key}`];
  const withoutAnswer = async (transport) => {
    const client = createClient(TaskService, transport);
    const call = () => client.batchCreateTasks(batch, { headers: { authorization } });
    const error = await connectFailure(call);
    equal(error.code, Code.Unknown, String(error));
    equal(error.metadata.has("x-request-id"), false, "x-request-id");
  };
  return {
    "connect-web, Connect": () => withoutAnswer(createConnectTransport({ baseUrl })),
    "connect-web, gRPC-Web": () => withoutAnswer(createGrpcWebTransport({ baseUrl })),
    "grpc-web": async () => {
      const error = await failure(() => grpcWebCall("binary", ready)(batch, { authorization }));
      equal(error.code, grpcWeb.StatusCode.UNKNOWN, String(error));
    },
  };
}

/** Runs tests one after the other. Returns what has failed: `[name, error]`, without an error where it passed. */
export async function run(tests) {
  const results = [];
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      results.push([name, null]);
    } catch (error) {
      results.push([name, String(error?.stack ?? error)]);
    }
  }
  return results;
}

/** Prints results. Returns how many have failed. */
export function report(results) {
  for (const [name, error] of results) {
    console.log(`${error === null ? "ok    " : "FAILED"}  ${name}`);
    if (error !== null) console.error(error);
  }
  return results.filter(([, error]) => error !== null).length;
}
