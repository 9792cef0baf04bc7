import type { Graph } from "./graph.ts";
import type { EventSpec, StateSpec, TargetSpec } from "./parse.ts";

/** A `stateDiagram-v2` as the definition reads: inherited events are drawn once, at their main state. */
export function toMermaid({ spec, initial }: Graph): string {
  const lines = ["stateDiagram-v2", `  [*] --> ${idOf(initial.split(".", 1)[0] ?? initial)}`];
  for (const state of spec) lines.push(...linesOf(state));
  return `${lines.join("\n")}\n`;
}

function linesOf(state: StateSpec): readonly string[] {
  const lines: string[] = [];
  const id = idOf(state.name);
  if (id !== state.name) lines.push(`  state "${state.name}" as ${id}`);
  if (state.subs !== null) {
    lines.push(`  state ${id} {`, `    [*] --> ${idOf(state.name, state.initial ?? "")}`);
    for (const sub of state.subs) lines.push(`    state "${sub.name}" as ${idOf(state.name, sub.name)}`);
    for (const sub of state.subs) {
      lines.push(...arrowsOf(state, idOf(state.name, sub.name), sub.on, "    "));
      if (sub.final) lines.push(`    ${idOf(state.name, sub.name)} --> [*]`);
    }
    lines.push("  }");
  }
  lines.push(...arrowsOf(null, id, state.on, "  "));
  if (state.onDone !== null) lines.push(`  ${id} --> ${targetId(null, state.onDone)} : done`);
  if (state.final) lines.push(`  ${id} --> [*]`);
  return lines;
}

function arrowsOf(
  within: StateSpec | null,
  from: string,
  events: readonly EventSpec[],
  indent: string,
): readonly string[] {
  return events.flatMap(({ event, targets }) =>
    targets.map((target) => `${indent}${from} --> ${targetId(within, target.to)} : ${event}${labelOf(target)}`),
  );
}

const labelOf = ({ guard }: TargetSpec): string => (guard === null ? "" : ` [${guard}]`);

function targetId(within: StateSpec | null, target: string): string {
  if (within?.subs?.some(({ name }) => name === target)) return idOf(within.name, target);
  const [main = target, sub] = target.split(".");
  return idOf(main, sub);
}

/** Ids of Mermaid hold letters, digits and `_`; a name with "-" is shown beside its id. */
function idOf(main: string, sub?: string): string {
  const name = sub === undefined ? main : `${main}__${sub}`;
  return name.replaceAll("-", "_");
}
