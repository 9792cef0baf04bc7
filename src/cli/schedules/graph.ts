import type { App } from "../../index.ts";
import { type Command, exitCodes, parseOptions } from "../command.ts";
import { storeOptions, storeOptionsHelp, withApp } from "../with-app.ts";

type Edge = Awaited<ReturnType<App["schedules"]["graph"]>>[number];

export const graphCommand: Command = {
  name: "graph",
  summary: "draws which schedules start which",
  help: `Usage: makegood schedules graph [OPTION…]

Prints the schedules that follow others, with what they follow, as a Mermaid flowchart.

${storeOptionsHelp}
  --json              prints one object an arrow
  --help              shows this text
`,
  async run(args, terminal) {
    const options = { ...storeOptions, json: { type: "boolean", default: false } } as const;
    const values = parseOptions(args, options, "schedules graph");
    const edges = await withApp(values, (app) => app.schedules.graph());
    for (const line of values.json ? edges.map((edge) => JSON.stringify(edge)) : mermaid(edges)) terminal.print(line);
    return exitCodes.done;
  },
};

/** Jobs are round, schedules square; a paused one is reached by a dotted arrow. */
function mermaid(edges: readonly Edge[]): readonly string[] {
  const ids = new Map<string, string>();
  const node = ({ schedule, name }: Edge["from"]): string => {
    const known = ids.get(schedule ?? name);
    if (known !== undefined) return known;
    const id = `n${ids.size + 1}`;
    ids.set(schedule ?? name, id);
    return schedule === null ? `${id}(["${name}"])` : `${id}["${name}"]`;
  };
  const arrow = ({ join, paused }: Edge): string => (paused ? `-. ${join} .->` : `-- ${join} -->`);
  return ["flowchart LR", ...edges.map((edge) => `  ${node(edge.from)} ${arrow(edge)} ${node(edge.to)}`)];
}
