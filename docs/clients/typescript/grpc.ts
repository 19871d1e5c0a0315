// Creates tasks over gRPC, once, whatever happens on the way.
//
// Needs the packages of package.json, and the code that protoc-gen-es generates from proto/
// (`make clients`).
//
//     CASELOAD_SERVER=http://127.0.0.1:50051 CASELOAD_API_KEY=cl_… node grpc.js [CASE_ID]

import { Code, ConnectError, createClient, type CallOptions } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { TaskService } from "./generated/caseload/tasks/v1/task_service_pb.js";

const ATTEMPT = 5_000; // the most milliseconds that one attempt may take
const CALL = 30_000; // the most milliseconds that all attempts at a call may take, with the pauses

// The call may be repeated after these. Unknown is an unknown outcome.
const REPEATED = [Code.Unavailable, Code.DeadlineExceeded, Code.Unknown, Code.Canceled];

/** All attempts failed: the service may have done what was asked for, or not. */
class NoAnswer extends Error {}

const service = createClient(TaskService, createGrpcTransport({ baseUrl: process.env.CASELOAD_SERVER! }));
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

type NewTask = { description: string; assigneeEmails?: string[] };

/** Returns the ids of the tasks. Called again with the same key, it creates nothing twice. */
export async function createTasks(caseId: bigint, tasks: NewTask[], key: string): Promise<bigint[]> {
  const request = { caseId, tasks, requestId: key };
  try {
    const created = await call((options) => service.batchCreateTasks(request, options));
    return created.tasks.map((task) => task.id);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    // Until its own deadline, the last attempt may still wait in the server.
    await sleep(ATTEMPT);
    const found = await call((options) => service.getIdempotencyRecord({ requestId: key }, options));
    return found.record?.taskIds ?? [];
  }
}

/** Makes a call that may be repeated: a read, an update, or a create with a key. */
async function call<Response>(method: (options: CallOptions) => Promise<Response>): Promise<Response> {
  const headers = { Authorization: `Bearer ${process.env.CASELOAD_API_KEY}` };
  const end = Date.now() + CALL;
  for (let attempt = 0; ; attempt++) {
    try {
      return await method({ headers, timeoutMs: Math.min(ATTEMPT, end - Date.now()) });
    } catch (error) {
      const failure = ConnectError.from(error);
      if (!mayBeRepeated(failure)) throw failure;
      const pushback = Number(failure.metadata.get("grpc-retry-pushback-ms") ?? 0);
      // A random pause, so that clients that failed together don't come back together.
      const pause = pushback + Math.random() * Math.min(100 * 2 ** attempt, 3000);
      if (Date.now() + pause + 100 > end) throw new NoAnswer("no answer in time", { cause: failure });
      await sleep(pause);
    }
  }
}

function mayBeRepeated(failure: ConnectError): boolean {
  switch (failure.code) {
    case Code.ResourceExhausted:
      // A limit, if there is a time to wait; otherwise the response was too large.
      return failure.metadata.has("grpc-retry-pushback-ms");
    case Code.Internal:
      // Without details, the library or a proxy wrote it: the connection was lost.
      return failure.details.length === 0;
    default:
      return REPEATED.includes(failure.code);
  }
}

// Store the key with the work to be done, before the first attempt: then a program that is started
// again repeats the request, instead of making another one.
const key = crypto.randomUUID();
const tasks = [
  { description: "Collect the logs", assigneeEmails: ["user1@example.com"] },
  { description: "Call the customer" },
];
const ids = await createTasks(BigInt(process.argv[2] ?? 1), tasks, key);
// Ids stay below 2^53, so they fit into numbers.
console.log(JSON.stringify({ task_ids: ids.map(Number) }));
