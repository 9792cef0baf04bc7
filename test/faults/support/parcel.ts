/** A machine that drives itself over one row of the far database, which bears the name of its world. */
import type { AnyJob } from "../../../src/core/job.ts";
import type { Row, Script } from "../../../src/core/script.ts";
import { stateMachine } from "../../../src/participant/machine/machine.ts";
import type { HistoryEntry } from "../../../src/participant/machine/types.ts";
import type { World } from "./world.ts";

const name = "parcel";
/** Of the job of ours that does the work of its state. */
export const workOfPicking = `machine/${name}/picking`;

export const parcelOf = ({ far, place }: Pick<World, "far" | "place">, pick: AnyJob) =>
  stateMachine(far.on, name, {
    table: name,
    initial: "created",
    states: {
      created: { on: { order: "picking" } },
      picking: { on: { picked: "sent" }, work: { job: pick, input: () => place.name, done: "picked" } },
      sent: { final: true },
    },
  });

export async function makeParcel({ far, place }: World): Promise<void> {
  await far.on.port.ask(said(`CREATE TABLE IF NOT EXISTS ${name} (id VARCHAR(64) PRIMARY KEY, state TEXT NOT NULL)`));
  await far.on.port.ask(said(`INSERT INTO ${name} VALUES ('${place.name}', 'created')`));
}

export async function stateIn({ far, place }: World): Promise<unknown> {
  const [row] = await far.on.port.ask(said(`SELECT state FROM ${name} WHERE id = '${place.name}'`));
  return row?.["state"];
}

/** Its history. */
export async function movesIn(world: World, pick: AnyJob): Promise<readonly HistoryEntry<string>[]> {
  const { far, place } = world;
  const outcome = await far.on.port.own((tx) => parcelOf(world, pick).history(tx, place.name), done);
  if (outcome.kind !== "committed") throw new Error(outcome.kind);
  return outcome.result;
}

/** Moves it out of its first state; again, where nobody knows whether that was committed. */
export async function order({ far, place }: World, machine: ReturnType<typeof parcelOf>): Promise<void> {
  for (;;) {
    const moved = (tx: unknown) => machine.tryMove(tx, { id: place.name, state: "created" }, "order");
    const outcome = await far.on.port.own(moved, done);
    if (outcome.kind === "committed") return;
    if (outcome.kind === "threw") throw outcome.error;
  }
}

function* said(sql: string): Script<readonly Row[]> {
  return yield { sql, parameters: [] };
}

// biome-ignore lint/correctness/useYield: a script that asks for nothing
function* done(): Script<"done"> {
  return "done";
}
