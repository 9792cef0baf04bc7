// Tests wait for what must come about, not for how long it takes: on a loaded machine a second, the default, is soon over.
import { vi } from "vitest";

const timeout = 30_000;

const { waitFor, waitUntil } = vi;
const patient = <O extends { timeout?: number }>(options?: number | O) =>
  typeof options === "number" ? options : { timeout, ...options };
vi.waitFor = (check, options) => waitFor(check, patient(options));
vi.waitUntil = (check, options) => waitUntil(check, patient(options));
