// Creates tasks over REST, once, whatever happens on the way.
//
// Needs Node.js 20 or newer, or another runtime with fetch; no package.
//
//     CASELOAD_URL=http://127.0.0.1:8080 CASELOAD_API_KEY=cl_… node rest.js [CASE_ID]

const ATTEMPT = 5_000; // the most milliseconds that one attempt may take
const CALL = 30_000; // the most milliseconds that all attempts at a call may take, with the pauses

type NewTask = { description: string; assignee_emails?: string[] };
type Problem = { status: number; errors: { details: string; message: string; pointer?: string }[] };

/** The service rejected the request, and changed nothing. */
class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(JSON.stringify(problem));
  }
}

/** All attempts failed: the service may have done what was asked for, or not. */
class NoAnswer extends Error {}

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Returns the ids of the tasks. Called again with the same key, it creates nothing twice. */
export async function createTasks(caseId: number, tasks: NewTask[], key: string): Promise<number[]> {
  try {
    const created = await call("POST", `/api/v2/cases/${caseId}/tasks/batch`, { tasks }, key);
    return created.tasks.map((task: { id: number }) => task.id);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    // Until its own deadline, the last attempt may still wait in the server.
    await sleep(ATTEMPT);
    const found = await call("GET", `/api/v2/idempotency-keys/${encodeURIComponent(key)}`);
    return found.idempotency_key.task_ids;
  }
}

/** Makes a call that may be repeated: a read, an update, or a create with a key. */
async function call(method: string, path: string, body?: object, key?: string): Promise<any> {
  const end = Date.now() + CALL;
  for (let attempt = 0; ; attempt++) {
    // What is left of the time. The same key goes with every attempt.
    const limit = Math.min(ATTEMPT, end - Date.now());
    let retryAfter = 0;
    let failure: unknown;
    try {
      const response = await send(method, path, body, key, limit);
      if (response.ok) return await response.json();
      const problem = await readProblem(response);
      if (!mayBeRepeated(response.status, problem)) throw new Refused(problem);
      retryAfter = 1000 * Number(/^\d+$/.exec(response.headers.get("Retry-After") ?? "") ?? 0);
      failure = problem;
    } catch (error) {
      if (error instanceof Refused) throw error;
      failure = error; // no connection, or it was lost
    }
    // A random pause, so that clients that failed together don't come back together.
    const pause = retryAfter + Math.random() * Math.min(100 * 2 ** attempt, 3000);
    if (Date.now() + pause + 100 > end) throw new NoAnswer("no answer in time", { cause: failure });
    await sleep(pause);
  }
}

function send(method: string, path: string, body: object | undefined, key: string | undefined, limit: number) {
  const headers: Record<string, string> = {
    Authorization: `Bearer ${process.env.CASELOAD_API_KEY}`,
    "Request-Timeout": (limit / 1000).toFixed(3),
  };
  if (key) headers["Idempotency-Key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  // A second more than the service has, so that its own answer comes first.
  const signal = AbortSignal.timeout(limit + 1000);
  const content = body && JSON.stringify(body);
  return fetch(process.env.CASELOAD_URL + path, { method, headers, body: content, signal });
}

/** Returns the problem document of an error. A proxy's error has none. */
async function readProblem(response: Response): Promise<Problem> {
  try {
    return JSON.parse(await response.text());
  } catch {
    return { status: response.status, errors: [] };
  }
}

function mayBeRepeated(status: number, problem: Problem) {
  const reasons = problem.errors.map((item) => item.details);
  return [429, 502, 503, 504].includes(status) || reasons.includes("OUTCOME_UNKNOWN");
}

// Store the key with the work to be done, before the first attempt: then a program that is started
// again repeats the request, instead of making another one.
const key = crypto.randomUUID();
const tasks = [
  { description: "Collect the logs", assignee_emails: ["user1@example.com"] },
  { description: "Call the customer" },
];
console.log(JSON.stringify({ task_ids: await createTasks(Number(process.argv[2] ?? 1), tasks, key) }));
