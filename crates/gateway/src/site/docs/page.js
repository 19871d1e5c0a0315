// The page around Swagger UI: light and dark, and the two headers that matter.
"use strict";

// --- Light and dark, before anything is painted ---------------------------------------------------

const CHOICE = "caseload-docs-theme";
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

/** Returns what the reader has chosen, if the browser keeps it. */
function chosenTheme() {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}

function isDark() {
  const theme = chosenTheme() ?? (systemIsDark.matches ? "dark" : "light");
  return theme === "dark";
}

function showTheme() {
  // Swagger UI looks for this class, too.
  document.documentElement.classList.toggle("dark-mode", isDark());
}

function changeTheme() {
  try {
    localStorage.setItem(CHOICE, isDark() ? "light" : "dark");
  } catch {
    // Without storage, the page looks as the system does.
  }
  showTheme();
}

showTheme();
systemIsDark.addEventListener("change", showTheme);

// --- The two headers, and the reference -----------------------------------------------------------

const IDEMPOTENCY_KEY = "Idempotency-Key";
/** The security schemes of the OpenAPI document. A request has one of them. */
const BEARER = "bearer";
const SCHEMES = [BEARER, "userToken"];
/** The request of the documentation. */
const SAMPLE = { tag: "tasks", operation: "batchCreateTasks" };

/** Returns a random key. Only pages that came over TLS, or from this machine, have `randomUUID`. */
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Leaves out the introduction, which the page has itself. */
function withoutIntroduction() {
  return { wrapComponents: { InfoContainer: () => () => null } };
}

/** What commands have in place of the API key, which is nobody's business who looks at the screen. */
const API_KEY = "$CASELOAD_API_KEY";

/** Shows the request as a command that takes the API key from the environment. */
function withoutKeyInCommands() {
  const hideKey = (value, name) =>
    ({ authorization: `Bearer ${API_KEY}`, "x-user-token": API_KEY })[name.toLowerCase()] ?? value;
  const curl = (_, { React, fn, getComponent }) => ({ request }) => {
    const hidden = request.update("headers", (headers) => headers?.map(hideKey));
    const command = fn.requestSnippetGenerator_curl_bash(hidden);
    // A shell expands variables between these quotes only.
    const text = command.replace(/'([^'\n]*\$CASELOAD_API_KEY)'/g, '"$1"');
    const Code = getComponent("SyntaxHighlighter", true);
    const code = React.createElement(Code, { language: "bash", className: "curl microlight" }, text);
    return React.createElement("div", { className: "curl-command" }, [
      React.createElement("h4", { key: "title" }, "Curl"),
      React.createElement("div", { key: "code" }, code),
    ]);
  };
  return { wrapComponents: { curl } };
}

/** Puts operations on the same path together, what creates first. */
function compareOperations(one, other) {
  const place = (operation) => ["post", "get", "put", "delete"].indexOf(operation.get("method"));
  const byPath = one.get("path").localeCompare(other.get("path"));
  return byPath || place(one) - place(other);
}

/** Shows the reference, and returns it once it is complete. */
function showReference(domNode, requestInterceptor) {
  return new Promise((resolve) => {
    const reference = SwaggerUIBundle({
      url: "/openapi.json",
      domNode,
      layout: "BaseLayout",
      presets: [SwaggerUIBundle.presets.apis],
      plugins: [withoutIntroduction, withoutKeyInCommands],
      operationsSorter: compareOperations,
      deepLinking: true,
      defaultModelsExpandDepth: 0,
      displayRequestDuration: true,
      tryItOutEnabled: true,
      requestInterceptor,
      onComplete: () => resolve(reference),
    });
  });
}

/** Connects the form for the API key with the reference. */
function connectApiKey(reference, form, input, note) {
  const withoutKey = note.textContent;
  const forget = document.createElement("button");
  forget.type = "button";
  forget.className = "link";
  forget.textContent = "Forget it";
  const logout = () => {
    if (reference.authSelectors.authorized()?.size) reference.authActions.logout(SCHEMES);
  };
  forget.addEventListener("click", logout);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    logout();
    reference.preauthorizeApiKey(BEARER, input.value.trim());
    input.value = "";
  });

  let shown;
  // A key can also be set with the lock of each operation.
  reference.getStore().subscribe(() => {
    const set = reference.authSelectors.authorized()?.first();
    const key = set?.get("value") ?? "";
    if (key === shown) return;
    shown = key;
    form.classList.toggle("done", key !== "");
    if (key === "") note.replaceChildren(withoutKey);
    else note.replaceChildren(`The key that ends with ${key.slice(-4)} is sent with each request. `, forget);
  });
}

document.addEventListener("DOMContentLoaded", async () => {
  const element = (id) => document.getElementById(id);
  element("theme").addEventListener("click", changeTheme);

  const key = element("idempotency-key");
  key.value = newKey();
  element("new-key").addEventListener("click", () => (key.value = newKey()));
  const addKey = (request) => {
    const hasKey = Object.keys(request.headers ?? {}).some(
      (name) => name.toLowerCase() === IDEMPOTENCY_KEY.toLowerCase(),
    );
    if (request.method === "POST" && element("send-key").checked && !hasKey) {
      request.headers[IDEMPOTENCY_KEY] = key.value;
    }
    return request;
  };

  const reference = await showReference(element("reference"), addKey);
  connectApiKey(reference, element("authorize"), element("api-key"), element("authorized"));
  element("sample").addEventListener("click", () => {
    const { tag, operation } = SAMPLE;
    reference.layoutActions.show(["operations-tag", tag], true);
    reference.layoutActions.show(["operations", tag, operation], true);
    element(`operations-${tag}-${operation}`).scrollIntoView({ behavior: "smooth" });
  });
  for (const disabled of document.querySelectorAll("main [disabled]")) disabled.disabled = false;
});
