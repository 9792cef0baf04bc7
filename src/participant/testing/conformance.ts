// What every participant must do, whatever client it is made of. Claims, not tests: they need no test runner, so that
// whoever writes an adapter can check it with the one they have. Each claim uses names of its own; all share one database.
import type { Mode } from "../../core/participant.ts";
import type { Dialect } from "../../core/store.ts";
import { actionClaims } from "./action-claims.ts";
import { barrierClaims } from "./barrier-claims.ts";
import { callerClaims } from "./caller-claims.ts";
import { lockClaims } from "./lock-claims.ts";
import { machineClaims } from "./machine-claims.ts";
import { onceClaims } from "./once-claims.ts";
import { ownClaims } from "./own-claims.ts";
import { publishClaims } from "./publish-claims.ts";
import { type Claim, type ParticipantFixture, sceneOf } from "./scene.ts";
import { scriptClaims } from "./script-claims.ts";
import { tccClaims } from "./tcc-claims.ts";
import { undoClaims } from "./undo-claims.ts";
import { upkeepClaims } from "./upkeep-claims.ts";
import { versionedClaims } from "./versioned-claims.ts";

export type { ParticipantFixture } from "./scene.ts";

export interface ParticipantClaim<Tx, M extends Mode> {
  readonly name: string;
  readonly check: (fixture: ParticipantFixture<Tx, M>) => Promise<void>;
}

const claims: readonly Claim[] = [
  ...ownClaims,
  ...scriptClaims,
  ...callerClaims,
  ...actionClaims,
  ...undoClaims,
  ...tccClaims,
  ...barrierClaims,
  ...lockClaims,
  ...upkeepClaims,
  ...versionedClaims,
  ...machineClaims,
  ...publishClaims,
  ...onceClaims,
];

/** The claims for a mode and a dialect; some are about what only one of them can do. */
export function participantClaims<Tx, M extends Mode>(mode: M, dialect: Dialect): readonly ParticipantClaim<Tx, M>[] {
  return claims
    .filter((claim) => (claim.mode ?? mode) === mode && (claim.dialects ?? [dialect]).includes(dialect))
    .map(({ name, check }) => ({ name, check: async (fixture) => check(await sceneOf(fixture)) }));
}
