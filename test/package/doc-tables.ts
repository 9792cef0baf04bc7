// Tables of the documentation that are made from the code, so that they cannot say something else: options from the
// docstrings of their interfaces, errors from the catalog, limits from their constants.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errorCatalog } from "makegood";
import { parseSync } from "oxc-parser";
import { statuses, type TransitionRule, transitions } from "../../src/core/execution.ts";
import { defaultLimits, type Limits, limitRanges } from "../../src/core/limits.ts";

export const root: string = join(import.meta.dirname, "..", "..");

/** What stands between `<!-- table: NAME -->` and `<!-- end -->` of a page. */
export const tables: Readonly<Record<string, () => string>> = {
  errors: errorTables,
  limits: limitTable,
  transitions: transitionTable,
  "job options": () => optionTable("src/core/job.ts", "JobOptions"),
  "retry options": () => optionTable("src/core/retry.ts", "RetryPolicy"),
  "backoff options": () => optionTable("src/core/retry.ts", "Backoff"),
  "app options": () => optionTable("src/makegood.ts", "AppOptions"),
  "executor options": () => optionTable("src/executor/xxl-job/options.ts", "XxlExecutorOptions"),
  "publish options": () => optionTable("src/core/message.ts", "PublishOptions"),
  "reconcile options": () => optionTable("src/core/reconcile.ts", "ReconcileOptions"),
  "start options": () => optionTable("src/engine/starter.ts", "StartOptions"),
};

// ── Options ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Member {
  readonly name: string;
  readonly type: string;
  readonly meaning: string;
}

function optionTable(
  file: string,
  interfaceName: string,
  heading = "Option",
  keep: (member: Member) => boolean = () => true,
): string {
  const rows = membersOf(file, interfaceName)
    .filter(keep)
    .map(({ name, type, meaning }) => [`\`${name}\``, codeCell(type), cell(meaning)]);
  return table([heading, "Type", "Meaning"], rows);
}

/** The properties of an interface, each with its docstring. */
export function membersOf(file: string, interfaceName: string): readonly Member[] {
  const text = readFileSync(join(root, file), "utf8");
  const { program, comments } = parseSync(file, text);
  for (const statement of program.body) {
    if (statement.type !== "ExportNamedDeclaration" || statement.declaration?.type !== "TSInterfaceDeclaration")
      continue;
    const { declaration } = statement;
    if (declaration.id.name !== interfaceName) continue;
    let from = declaration.body.start;
    return declaration.body.body.flatMap((member) => {
      const docs = comments.filter((it) => it.type === "Block" && it.start >= from && it.end <= member.start);
      from = member.end;
      if (member.type !== "TSPropertySignature" || member.key.type !== "Identifier") return [];
      const type = member.typeAnnotation?.typeAnnotation;
      return [
        {
          name: member.key.name,
          type: type === undefined ? "unknown" : text.slice(type.start, type.end).replaceAll(/NoInfer<(\w+)>/g, "$1"),
          meaning: docs.map((it) => plainDoc(it.value)).join(" "),
        },
      ];
    });
  }
  throw new Error(`Expected an exported interface ${interfaceName} in ${file}, found none; was it renamed?`);
}

function plainDoc(comment: string): string {
  return comment
    .split("\n")
    .map((line) => line.replace(/^\s*\*? ?/, "").trim())
    .join(" ")
    .replace(/^\s*\*?\s*/, "")
    .replaceAll(/\s+/g, " ")
    .trim();
}

// ── Errors ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One table for each group, under the comment that heads it in the source. */
function errorTables(): string {
  const groups: { readonly heading: string; readonly rows: (readonly string[])[] }[] = [];
  for (const { code, heading } of catalogOrder()) {
    if (heading !== undefined) groups.push({ heading, rows: [] });
    const entry = errorCatalog[code];
    const retry = entry.retryable ? "yes" : "no";
    groups.at(-1)?.rows.push([`\`${code}\``, cell(entry.meaning), cell(entry.whatToDo), retry, entry.effect]);
  }
  const columns = ["Code", "Means", "What to do", "Retry helps", "Effect"];
  return groups.map(({ heading, rows }) => `### ${heading}\n\n${table(columns, rows)}`).join("\n\n");
}

function catalogOrder(): readonly { readonly code: keyof typeof errorCatalog; readonly heading: string | undefined }[] {
  const file = join(root, "src/core/errors.ts");
  const text = readFileSync(file, "utf8");
  const from = text.indexOf("export const errorCatalog");
  const { comments } = parseSync(file, text);
  let place = from;
  return (Object.keys(errorCatalog) as (keyof typeof errorCatalog)[]).map((code, index) => {
    const at = text.indexOf(`  ${code}: `, from);
    const heading = comments.find((it) => it.type === "Line" && it.start > place && it.end < at)?.value.trim();
    place = at;
    return { code, heading: heading?.replace(/\.$/, "") ?? (index === 0 ? "Others" : undefined) };
  });
}

// ── Limits ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function limitTable(): string {
  const rows = membersOf("src/core/limits.ts", "Limits").map(({ name, meaning }) => {
    const [min, max] = limitRanges[name as keyof Limits];
    const show = name.endsWith("Bytes") ? sizeText : countText;
    const what = meaning.split(". ").filter((part) => !part.startsWith("Default"));
    return [
      `\`${name}\``,
      cell(what.join(". ").replace(/\.$/, "")),
      show(defaultLimits[name as keyof Limits]),
      `${show(min)} … ${show(max)}`,
    ];
  });
  return table(["Limit", "Of what", "Default", "Can be set to"], rows);
}

function sizeText(bytes: number): string {
  if (bytes >= 1_048_576 && bytes % 1_048_576 === 0) return `${bytes / 1_048_576} MiB`;
  return bytes >= 1_024 && bytes % 1_024 === 0 ? `${bytes / 1_024} KiB` : `${bytes} B`;
}

const countText = (count: number): string => count.toLocaleString("en-US").replaceAll(",", " ");

// ── States ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function transitionTable(): string {
  const rules = Object.entries(transitions) as [string, TransitionRule][];
  const rows = rules.map(([name, rule]) => [
    `\`${name}\``,
    rule.by,
    rule.from.join(", "),
    rule.phases.length === 4 ? "any" : rule.phases.join(", "),
    [rule.status ?? "", rule.phase === null ? "" : `phase ${rule.phase}`].filter(Boolean).join(", ") || "as it was",
  ]);
  return `Statuses: ${statuses.map((it) => `\`${it}\``).join(", ")}.\n\n${table(["Transition", "By", "From", "In phase", "Leaves"], rows)}`;
}

// ── Markdown ───────────────────────────────────────────────────────────────────────────────────────────────────────

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A bar ends a cell, also inside of code. */
const cell = (text: string): string => text.replaceAll("|", "\\|");
const codeCell = (type: string): string => `\`${cell(type.replaceAll(/\s+/g, " "))}\``;
