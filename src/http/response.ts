// Responses as values: what is captured of a handler's, what is stored of that, and what is sent in its place.

export type HeaderPair = readonly [name: string, value: string];

/** To be sent as it is. */
export interface PlainResponse {
  readonly status: number;
  readonly headers: readonly HeaderPair[];
  readonly body: Uint8Array | null;
}

/** A handler's. `body` null: it has none; "unstored": larger than the cap, or a stream. */
export interface CapturedResponse {
  readonly status: number;
  readonly headers: readonly HeaderPair[];
  readonly body: Uint8Array | null | "unstored";
}

export type StoredResponse = CapturedResponse;

/** What a client needs to make sense of the body, and no cookies: they are of the first request's session. */
const keptHeaders = new Set([
  ...["content-type", "content-language", "content-encoding", "content-disposition"],
  ...["location", "content-location", "etag", "last-modified", "link", "cache-control"],
]);

export function keepHeaders(headers: readonly HeaderPair[], others: ReadonlySet<string>): readonly HeaderPair[] {
  return headers
    .map(([name, value]): HeaderPair => [name.toLowerCase(), value])
    .filter(([name]) => keptHeaders.has(name) || others.has(name));
}

/** Of node:http: lists are headers that are sent several times. */
export function headerPairs(headers: Readonly<Record<string, unknown>>): readonly HeaderPair[] {
  return Object.entries(headers).flatMap(([name, value]): HeaderPair[] => {
    if (value === undefined || value === null) return [];
    return Array.isArray(value) ? value.map((each) => [name, String(each)]) : [[name, String(value)]];
  });
}

/** What was stored, or what a person settled a record with. */
export function parseStoredResponse(value: unknown): StoredResponse | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { status, headers = [], body = null } = value as Partial<StoredResponse>;
  if (typeof status !== "number" || !Number.isInteger(status) || status < 200 || status > 599) return undefined;
  if (!Array.isArray(headers) || !headers.every(isPair)) return undefined;
  if (body !== null && body !== "unstored" && !(body instanceof Uint8Array)) return undefined;
  return { status, headers, body };
}

const isPair = (pair: unknown): pair is HeaderPair =>
  Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === "string");

// ── Problems (RFC 9457) ────────────────────────────────────────────────────────────────────────────────────────────

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  409: "Conflict",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  503: "Service Unavailable",
};

export interface Problem {
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;
  readonly detail: string;
  readonly retryAfterMs?: number;
  readonly more?: Readonly<Record<string, unknown>>;
}

export function problem({ status, code, detail, retryAfterMs, more }: Problem): PlainResponse {
  const body = { type: "about:blank", title: titles[status] ?? "Error", status, code, detail, ...more };
  const retryAfter: HeaderPair[] =
    retryAfterMs === undefined ? [] : [["retry-after", String(Math.max(1, Math.ceil(retryAfterMs / 1_000)))]];
  return {
    status,
    headers: [["content-type", "application/problem+json"], ["cache-control", "no-store"], ...retryAfter],
    body: new TextEncoder().encode(JSON.stringify(body)),
  };
}
