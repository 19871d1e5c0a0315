// What browser.mjs has its pages run: calls to another origin.

import { refusedTests, run, webTests } from "./web-calls.mjs";

/** Makes the calls of a page that may call the server, or of one that may not. Returns their results. */
globalThis.callServer = (ready, mayCall) => {
  const tests = mayCall ? webTests : refusedTests;
  return run(tests({ ...ready, newId: () => crypto.randomUUID() }));
};
