// What the text of a function tells. JavaScript keeps it, as it was loaded: without types, perhaps bundled.

export interface HandlerSource {
  /** How many calls of `ctx` stand in it: `ctx.step(`, `ctx.tx(` …; null where the context goes out of sight. */
  readonly callCount: number | null;
  /** Why it is null. */
  readonly why: string;
}

const verbs = "step|tx|attempt|tcc|pivot|start|sleep|waitFor";

export function readHandler(handler: (...args: never[]) => unknown): HandlerSource {
  const source = bareSource(handler);
  if (source === undefined) return { callCount: null, why: "the function's source is not to be had" };
  const head = /^(?:async\s*)?(?:function\s*\*?\s*[\w$]*\s*)?\(?\s*([\w$]+|\{)?/.exec(source);
  const name = head?.[1];
  if (name === undefined) return { callCount: 0, why: "" };
  if (name === "{") return { callCount: null, why: "the context is taken apart: { step, … }" };
  const body = source.slice(head?.[0].length ?? 0);
  const escaped = name.replaceAll("$", "\\$");
  if (new RegExp(`(?<![\\w$.])${escaped}(?![\\w$])(?!\\s*\\??\\.)(?!\\s*:)`).test(body))
    return { callCount: null, why: `${name} is handed to another function, whose branches are not seen` };
  return {
    callCount: [...body.matchAll(new RegExp(`(?<![\\w$.])${escaped}\\s*\\.\\s*(?:${verbs})\\s*\\(`, "g"))].length,
    why: "",
  };
}

/** Whether a function uses what one of these patterns names; undefined where that cannot be seen. */
export function mentions(body: unknown, pattern: RegExp): boolean | undefined {
  const source = typeof body === "function" ? bareSource(body as () => unknown) : undefined;
  return source === undefined ? undefined : pattern.test(source);
}

/** The text as it stands, with its strings: for statements of SQL. */
export function textOf(body: unknown): string | undefined {
  if (typeof body !== "function") return undefined;
  const text = Function.prototype.toString.call(body);
  return text.includes("[native code]") ? undefined : text;
}

/** Without comments and quoted texts, which could hold anything. Templates stay: they hold code. */
function bareSource(body: (...args: never[]) => unknown): string | undefined {
  return textOf(body)?.replaceAll(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, (found) =>
    found.startsWith("/") ? " " : '""',
  );
}
