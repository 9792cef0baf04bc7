// The words of the XXL-JOB wire, as its generations 2.3 to 3.5 write them. Translation only: nothing is decided here.
//
// The generations differ little on the executor's side. 2.3 to 3.2 (called G2 below) wrap a payload as `content`, 3.3 to
// 3.4 (G3) as `data`; 3.5 (G4) renames `run` to `trigger`, sends a second header, and spells `logDateTime` in full.
// Answers carry both names, since either side ignores what it does not know.

export const tokenHeader = "xxl-job-access-token";
export const appnameHeader = "xxl-job-appname";
/** What both sides send. Java's answers say text/html, although they are JSON: it is never read. */
export const contentType = "application/json;charset=UTF-8";

export const codes = {
  ok: 200,
  failed: 500,
  timedOut: 502,
} as const;

export const executorMethods = ["beat", "idleBeat", "run", "trigger", "kill", "log"] as const;
export type ExecutorMethod = (typeof executorMethods)[number];

/** Answers are HTTP 200 whatever they say: a client takes any other status for a failed call. */
export interface Answer {
  readonly code: number;
  readonly msg?: string;
  /** Under both names: G2 reads `content`, G3 and G4 read `data`. */
  readonly content?: unknown;
  readonly data?: unknown;
}

export const ok: Answer = { code: codes.ok };
/** What an admin answers to a call that gives nothing back. */
export const success: Answer = { code: codes.ok, msg: "Success", content: "success", data: "success" };
export const failure = (msg: string): Answer => ({ code: codes.failed, msg });
export const payload = (value: unknown, msg?: string): Answer => ({
  code: codes.ok,
  ...(msg === undefined ? {} : { msg }),
  content: value,
  data: value,
});

/** What an admin's answer says, or null for what is no answer of an admin: an error page, a proxy's text. */
export function parseAnswer(text: string): { readonly code: number; readonly msg: string } | null {
  const value = parseJson(text);
  if (!isRecord(value) || typeof value["code"] !== "number") return null;
  return { code: value["code"], msg: typeof value["msg"] === "string" ? value["msg"] : "" };
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
