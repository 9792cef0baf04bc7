/**
 * A checker for small models, breadth first. A model lists every move that could happen in a state; the checker walks them
 * all. What must hold in every state is `always`; and from every state a `goal` must stay within reach, so that nothing is
 * ever stuck for good.
 */
export interface Model<S> {
  readonly start: S;
  readonly moves: (state: S) => Iterable<readonly [name: string, next: S]>;
  readonly always: Readonly<Record<string, (state: S) => boolean>>;
  readonly goal: (state: S) => boolean;
}

export interface Finding {
  readonly stateCount: number;
  /** The rule that does not hold, and the shortest way to where it does not; null if all hold. */
  readonly broken: { readonly rule: string; readonly trace: readonly string[] } | null;
}

const maxStates = 1_000_000;

export function check<S>(model: Model<S>): Finding {
  const ids = new Map<string, number>();
  const states: (S | undefined)[] = [];
  const cameFrom: { readonly id: number; readonly by: string }[] = [];
  const leadsHere: number[][] = [];
  const reaching: number[] = [];
  const enter = (state: S, from: number, by: string): number => {
    const key = JSON.stringify(state);
    const known = ids.get(key);
    if (known !== undefined) return known;
    const id = states.push(state) - 1;
    ids.set(key, id);
    cameFrom.push({ id: from, by });
    leadsHere.push([]);
    return id;
  };
  const breaks = (rule: string, id: number): Finding => ({
    stateCount: states.length,
    broken: { rule, trace: traceTo(cameFrom, id) },
  });

  enter(model.start, -1, "");
  for (let id = 0; id < states.length; id++) {
    const state = states[id] as S;
    for (const [rule, holds] of Object.entries(model.always)) if (!holds(state)) return breaks(rule, id);
    if (model.goal(state)) reaching.push(id);
    for (const [by, next] of model.moves(state)) leadsHere[enter(next, id, by)]?.push(id);
    // Its key is enough from here on.
    states[id] = undefined;
    if (states.length > maxStates) throw new Error(`Expected at most ${maxStates} states, found more.`);
  }
  const stuck = firstOutOfReach(reaching, leadsHere);
  return stuck === -1 ? { stateCount: states.length, broken: null } : breaks("an end stays within reach", stuck);
}

/** Walks backwards from the goals; what is left cannot come to one. */
function firstOutOfReach(goals: readonly number[], leadsHere: readonly (readonly number[])[]): number {
  const isReaching = new Uint8Array(leadsHere.length);
  const line = [...goals];
  for (const id of line) isReaching[id] = 1;
  for (let i = 0; i < line.length; i++)
    for (const before of leadsHere[line[i] as number] ?? [])
      if (isReaching[before] === 0) {
        isReaching[before] = 1;
        line.push(before);
      }
  return isReaching.indexOf(0);
}

function traceTo(cameFrom: readonly { readonly id: number; readonly by: string }[], end: number): readonly string[] {
  const trace: string[] = [];
  for (let id = end; id > 0; id = cameFrom[id]?.id ?? 0) trace.unshift(cameFrom[id]?.by ?? "");
  return trace;
}
