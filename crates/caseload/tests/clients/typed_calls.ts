// Makes calls over REST with the types that openapi-typescript generates: that they compile shows that the types
// fit these calls. Some of the values that the gateway sends are compared with what the types say.
//
//     CASELOAD_URL=http://127.0.0.1:8080 CASELOAD_API_KEY=cl_… node typed_calls.js

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/openapi.js";

type Schemas = components["schemas"];

const caseload = createClient<paths>({
  baseUrl: process.env.CASELOAD_URL,
  headers: { Authorization: `Bearer ${process.env.CASELOAD_API_KEY}` },
});

/** Returns the document of a response, which must have this status. */
function answer<Document>(
  { data, error, response }: { data?: Document; error?: unknown; response: Response },
  status: number,
): Document {
  assert.equal(response.status, status, JSON.stringify(error));
  return data as Document;
}

/** Returns the problem document of a response, which must have this status. */
function problem({ error, response }: { error?: Schemas["Problem"]; response: Response }, status: number) {
  assert.ok(error, "a problem");
  assert.deepEqual([response.status, error.status], [status, status]);
  return error;
}

async function casesAndTasks(): Promise<void> {
  const created = answer(
    await caseload.POST("/api/v2/cases", {
      body: { name: "Typed", priority: "HIGH", tasks: [{ description: "First" }] },
    }),
    201,
  ) as Schemas["CreatedCase"];
  assert.deepEqual([created.name, created.priority, created.status], ["Typed", "HIGH", "OPEN"]);
  const [first] = created.tasks;
  assert.ok(first);
  const path = { case_id: created.case_id };
  const task = { ...path, task_id: first.id };

  const read = await caseload.GET("/api/v2/cases/{case_id}/tasks/{task_id}", { params: { path: task } });
  assert.deepEqual(answer(read, 200).task, first);
  const etag = read.response.headers.get("ETag") ?? assert.fail("an entity tag");
  const complete = () =>
    caseload.PUT("/api/v2/cases/{case_id}/tasks/{task_id}", {
      params: { path: task, header: { "If-Match": etag } },
      body: { completed: true },
    });
  assert.equal(answer(await complete(), 200).task.completed, true);
  assert.equal(problem(await complete(), 412).errors[0]?.details, "ETAG_MISMATCH");

  const events = await caseload.GET("/api/v2/cases/{case_id}/tasks/{task_id}/events", { params: { path: task } });
  const kinds: Schemas["TaskEventKind"][] = answer(events, 200).task_events.map((event) => event.kind);
  assert.deepEqual(kinds, ["created", "completed"]);

  const batch = { params: { path }, body: { tasks: [{ description: "Second" }, { description: "Third" }] } };
  answer(await caseload.POST("/api/v2/cases/{case_id}/tasks/batch", batch), 201);
  const page = await caseload.GET("/api/v2/cases/{case_id}/tasks", { params: { path, query: { per_page: 2 } } });
  const { tasks, meta } = answer(page, 200);
  assert.deepEqual([tasks.length, meta.count, meta.pages, meta.next_page_number], [2, 3, 2, 2]);

  const task_ids = tasks.map((task) => task.id);
  const deleted = await caseload.DELETE("/api/v2/cases/{case_id}/tasks/batch", { params: { path }, body: { task_ids } });
  assert.deepEqual(answer(deleted, 200).destroyed_ids, task_ids.map(String));
  answer(await caseload.DELETE("/api/v2/cases/{case_id}", { params: { path } }), 204);
  assert.equal(problem(await caseload.GET("/api/v2/cases/{case_id}", { params: { path } }), 404).code, "NOT_FOUND");
}

async function invalidFields(): Promise<void> {
  const body = { tasks: [{ description: "" }, { description: "Call", assignee_emails: ["nobody"] }] };
  const params = { path: { case_id: 1 } };
  const { errors } = problem(await caseload.POST("/api/v2/cases/{case_id}/tasks/batch", { params, body }), 400);
  const found = errors.map((item) => [item.pointer, item.details]);
  assert.deepEqual(found, [
    ["/tasks/0/description", "REQUIRED"],
    ["/tasks/1/assignee_emails/0", "INVALID_EMAIL"],
  ]);
}

/** What the compiler must refuse: without its error, each of these comments is one. */
export const refused = [
  // @ts-expect-error: the path needs the id of a case
  () => caseload.GET("/api/v2/cases/{case_id}"),
  // @ts-expect-error: there is no such path
  () => caseload.GET("/api/v2/case"),
  // @ts-expect-error: cases are not patched
  () => caseload.PATCH("/api/v2/cases/{case_id}", { params: { path: { case_id: 1 } } }),
  // @ts-expect-error: a case needs a name
  () => caseload.POST("/api/v2/cases", { body: {} }),
  // @ts-expect-error: there is no such priority
  () => caseload.POST("/api/v2/cases", { body: { name: "a", priority: "URGENT" } }),
  // @ts-expect-error: there is no such member
  (): Schemas["NewCase"] => ({ name: "a", assignees: [] }),
];

await casesAndTasks();
await invalidFields();
console.log("the calls compile, and these values are as typed");
