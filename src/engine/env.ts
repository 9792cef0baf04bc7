// What every part of the engine shares in one process: the store, the way to it, the world, and the formats of values.

import type { ValueFormat } from "../core/envelope.ts";
import type { ExecutionId } from "../core/ids.ts";
import type { Sha256 } from "../core/keys.ts";
import type { Limits } from "../core/limits.ts";
import type { ParticipantPort } from "../core/participant.ts";
import type { Clock, Log, Random } from "../core/ports.ts";
import type { Script } from "../core/script.ts";
import type { Store } from "../core/store.ts";
import type { Engagements } from "./engagements.ts";
import type { Followers } from "./follow/followers.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Registry } from "./registry.ts";
import type { Turns } from "./turns.ts";

/** A line that a job wrote to `ctx.log`, with marked values of its input taken out. */
export interface JobLine {
  readonly executionId: string;
  readonly level: keyof Log;
  /** As the job gave them. */
  readonly fields: object;
  readonly message: string;
}

export interface Env {
  readonly namespace: string;
  readonly store: Store;
  readonly journal: GroupCommit;
  readonly clock: Clock;
  readonly random: Random;
  readonly turns: Turns;
  /** Ids in the order in which they were asked for. */
  readonly newId: () => ExecutionId;
  readonly sha256: Sha256;
  readonly log: Log;
  /** Told of every line that a job writes to `ctx.log` here, beside `log`. */
  readonly logListeners: Set<(line: JobLine) => void>;
  readonly limits: Limits;
  readonly formats: { readonly input: ValueFormat; readonly result: ValueFormat; readonly signal: ValueFormat };
  readonly registry: Registry;
  /** What is started when jobs complete. */
  readonly followers: Followers;
  /** Who waits in this process for executions to end. */
  readonly engagements: Engagements;
  /**
   * Whether a participant lives in the engine's own database, so that effect and record are one commit. Asked once, in a
   * transaction of its own unless `ask` runs the script in one that is open.
   */
  isOwn(port: ParticipantPort, ask?: (script: Script<string | null>) => Promise<string | null>): Promise<boolean>;
  /** A rest longer than this is spent in the store, not in memory. */
  readonly suspendAfterMs: number;
  /** Development switch: every result is delivered by replay. */
  readonly alwaysReplay: boolean;
}
