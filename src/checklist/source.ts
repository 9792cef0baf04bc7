// What the text of a function tells. JavaScript keeps it, as it was loaded: without types, perhaps bundled.

export interface HandlerSource {
  /** How many calls of `ctx` stand in it: `ctx.step(`, `ctx.tx(` …; null where the context goes out of sight. */
  readonly callCount: number | null;
  /** Why it is null. */
  readonly why: string;
}

/** A name begins here: not within another one, and no member of something; `...name` is none. */
const start = "(?<![\\w$])(?<!(?<!\\.\\.)\\.)";
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
  if (new RegExp(`${start}${escaped}(?![\\w$])(?!\\s*\\??\\.)(?!\\s*:)`).test(body))
    return { callCount: null, why: `${name} is handed to another function, whose branches are not seen` };
  return {
    callCount: [...body.matchAll(new RegExp(`${start}${escaped}\\s*\\.\\s*(?:${verbs})\\s*\\(`, "g"))].length,
    why: "",
  };
}

/**
 * Whether a function makes use of one of these members of its first argument: taken out of it (`({ key }) => … key`), or read
 * from it (`step.key`). False where it certainly does not, undefined where that cannot be seen. A thing of another origin that
 * merely bears the name does not count; nor does one that is only logged.
 */
export function usesMember(body: (...args: never[]) => unknown, members: readonly string[]): boolean | undefined {
  const source = bareSource(body);
  const taken = source === undefined ? undefined : parametersOf(source);
  if (taken === undefined) return undefined;
  const { first, text } = taken;
  const used = text.replaceAll(unheard, " ");
  if (first === "") return /\barguments\b/.test(used) ? undefined : false;
  if (/^[\w$]+$/.test(first)) return readsMember(first, members, used);
  return first.startsWith("{") ? usesTaken(first, members, used) : undefined;
}

/** Who hears of a key by these has no use for it. */
const unheard = /\b(?:console|log|logger)\s*\.\s*\w+\s*\((?:[^()]|\([^()]*\))*\)|\bvoid\s+[\w$]+(?![\w$(.])/g;

/** The first parameter without its default, and what stands behind the parameters. */
function parametersOf(source: string): { readonly first: string; readonly text: string } | undefined {
  const alone = /^(?:async\s+)?([\w$]+)\s*=>/.exec(source);
  if (alone !== null) return { first: alone[1] ?? "", text: source.slice(alone[0].length) };
  const head = /^(?:async\b)?\s*(?:function\b\s*)?\*?\s*(?:[\w$]+|"")?\s*\(/.exec(source);
  if (head === null) return undefined;
  const [end, comma] = endOf(source, head[0].length);
  const first = source.slice(head[0].length, comma ?? end).trim();
  return { first: /^[\w$]+(?=\s*=)/.exec(first)?.[0] ?? first, text: source.slice(end + 1) };
}

/** Where the bracket closes that opens before `from`, and where the first comma stands on its level. */
function endOf(source: string, from: number): readonly [end: number, comma: number | undefined] {
  let depth = 0;
  let comma: number | undefined;
  for (let at = from; at < source.length; at++) {
    const letter = source.charAt(at);
    if ("([{".includes(letter)) depth++;
    else if (")]}".includes(letter) && depth-- === 0) return [at, comma];
    else if (letter === "," && depth === 0) comma ??= at;
  }
  return [source.length, comma];
}

/** Of `step`: `step.key`, or `const { key } = step`. Handed on as a whole, it is out of sight. */
function readsMember(name: string, members: readonly string[], text: string): boolean | undefined {
  const own = name.replaceAll("$", "\\$");
  const member = `(?:${members.join("|")})\\b`;
  if (new RegExp(`${start}${own}\\s*\\??\\.\\s*${member}`).test(text)) return true;
  if (new RegExp(`\\{[^{}]*\\b${member}[^{}]*\\}\\s*=\\s*${own}(?![\\w$])`).test(text)) return true;
  return new RegExp(`${start}${own}(?![\\w$])(?!\\s*\\??\\.)`).test(text) ? undefined : false;
}

/** Of `{ key: stepKey, ...rest }`: whether `stepKey` is used. */
function usesTaken(pattern: string, members: readonly string[], text: string): boolean | undefined {
  if (/[{,]\s*\.\.\./.test(pattern)) return undefined;
  for (const member of members) {
    const taken = new RegExp(`[{,]\\s*${member}\\s*(?::\\s*([\\w$]+)\\s*)?[,=}]`).exec(pattern);
    if (taken === null) continue;
    const own = (taken[1] ?? member).replaceAll("$", "\\$");
    if (new RegExp(`${start}${own}(?![\\w$])(?!\\s*:)`).test(text)) return true;
  }
  return false;
}

/** Whether nothing stands in a function: `() => {}`, `async () => undefined`. */
export function isEmpty(body: (...args: never[]) => unknown): boolean {
  const source = bareSource(body);
  if (source === undefined) return false;
  return /(?:\)|=>)\s*\{\s*(?:return\s*;?\s*)?\}$|=>\s*(?:undefined|null|void 0|Promise\s*\.\s*resolve\(\s*\))$/.test(
    source.trim(),
  );
}

/** The text as it stands, with its strings: for statements of SQL. */
export function textOf(body: unknown): string | undefined {
  if (typeof body !== "function") return undefined;
  const text = Function.prototype.toString.call(body);
  return text.includes("[native code]") ? undefined : text;
}

/** Without comments and quoted texts, which could hold anything. */
function bareSource(body: (...args: never[]) => unknown): string | undefined {
  const text = textOf(body);
  return text === undefined ? undefined : bare(text);
}

const quotedOrComment = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|`(?:[^`\\]|\\[\s\S])*`|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;

function bare(text: string): string {
  return text.replaceAll(quotedOrComment, (found) => {
    if (found.startsWith("`")) return `[${codeOf(found)}]`;
    return found.startsWith("/") ? " " : '""';
  });
}

/** What a template puts in: `${…}`, with braces in it one level deep. */
const codeOf = (template: string): string =>
  [...template.matchAll(/\$\{((?:[^{}]|\{[^{}]*\})*)\}/g)].map(([, code = ""]) => bare(code)).join(", ");
