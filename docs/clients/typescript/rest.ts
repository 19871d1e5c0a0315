// Creates tasks over REST, once, whatever happens on the way.
//
// Needs Node.js 20 or newer, openapi-fetch, and the types that openapi-typescript generates from
// /openapi.json (`make clients`).
//
//     CASELOAD_URL=http://127.0.0.1:8080 CASELOAD_API_KEY=cl_… node rest.js [CASE_ID]

import createClient from "openapi-fetch";
import type { components, paths } from "./generated/openapi.js";

const ATTEMPT = 5_000; // the most milliseconds that one attempt may take
const CALL = 30_000; // the most milliseconds that all attempts at a call may take, with the pauses

type NewTask = components["schemas"]["NewTask"];
type Problem = components["schemas"]["Problem"];
type Tasks = components["schemas"]["Tasks"];

/** The service rejected the request, and changed nothing. */
class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(JSON.stringify(problem));
  }
}

/** All attempts failed: the service may have done what was asked for, or not. */
class NoAnswer extends Error {}

const caseload = createClient<paths>({
  baseUrl: process.env.CASELOAD_URL,
  headers: { Authorization: `Bearer ${process.env.CASELOAD_API_KEY}` },
  fetch: fetchWithRetries,
});
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Returns the ids of the tasks. Called again with the same key, it creates nothing twice. */
export async function createTasks(caseId: number, tasks: NewTask[], key: string): Promise<number[]> {
  try {
    const { data, error, response } = await caseload.POST("/api/v2/cases/{case_id}/tasks/batch", {
      params: { path: { case_id: caseId }, header: { "Idempotency-Key": key } },
      body: { tasks },
    });
    if (!response.ok) throw failure(error);
    // Only with `validate_only` it would be anything else.
    return (data as Tasks).tasks.map((task) => task.id);
  } catch (reason) {
    if (!(reason instanceof NoAnswer)) throw reason;
    // Until its own deadline, the last attempt may still wait in the server.
    await sleep(ATTEMPT);
    const { data, error } = await caseload.GET("/api/v2/idempotency-keys/{key}", { params: { path: { key } } });
    if (!data) throw failure(error);
    return data.idempotency_key.task_ids;
  }
}

/** Returns what an error response means. Without a problem document, it is a proxy's, and proves nothing. */
function failure(error: unknown): Error {
  return isProblem(error) ? new Refused(error) : new NoAnswer("no problem document", { cause: error });
}

function isProblem(document: unknown): document is Problem {
  return typeof document === "object" && document !== null && "errors" in document;
}

/** Makes a request of any call: once, or again if it may be repeated. */
async function fetchWithRetries(request: Request): Promise<Response> {
  const end = Date.now() + CALL;
  // Reads, updates, and creates with a key.
  const isRepeatable = ["GET", "PUT"].includes(request.method) || request.headers.has("Idempotency-Key");
  if (!isRepeatable) return send(request, ATTEMPT);
  for (let attempt = 0; ; attempt++) {
    let retryAfter = 0;
    let cause: unknown;
    try {
      // With what is left of the time. The same key goes with every attempt.
      const response = await send(request.clone(), Math.min(ATTEMPT, end - Date.now()));
      if (!(await mayBeRepeated(response))) return response;
      retryAfter = 1000 * Number(/^\d+$/.exec(response.headers.get("Retry-After") ?? "") ?? 0);
      cause = response.status;
    } catch (error) {
      cause = error; // no connection, or it was lost
    }
    // A random pause, so that clients that failed together don't come back together.
    const pause = retryAfter + Math.random() * Math.min(100 * 2 ** attempt, 3000);
    if (Date.now() + pause + 100 > end) throw new NoAnswer("no answer in time", { cause });
    await sleep(pause);
  }
}

/** Makes an attempt, and reads the response to its end. */
async function send(request: Request, limit: number): Promise<Response> {
  request.headers.set("Request-Timeout", (limit / 1000).toFixed(3));
  // A second more than the service has, so that its own answer comes first.
  const response = await fetch(request, { signal: AbortSignal.timeout(limit + 1000) });
  return new Response((await response.text()) || null, response);
}

async function mayBeRepeated(response: Response): Promise<boolean> {
  if (response.status !== 500) return [429, 502, 503, 504].includes(response.status);
  const problem: unknown = await response.clone().json().catch(() => undefined);
  return !isProblem(problem) || problem.errors.some((item) => item.details === "OUTCOME_UNKNOWN");
}

// Store the key with the work to be done, before the first attempt: then a program that is started
// again repeats the request, instead of making another one.
const key = crypto.randomUUID();
const tasks = [
  { description: "Collect the logs", assignee_emails: ["user1@example.com"] },
  { description: "Call the customer" },
];
console.log(JSON.stringify({ task_ids: await createTasks(Number(process.argv[2] ?? 1), tasks, key) }));
