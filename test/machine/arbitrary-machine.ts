// Random definitions that are valid, each with the moves that it allows, worked out in another way than the code does: by
// walking from leaf to leaf with the definition in hand.
import fc from "fast-check";

export const events = ["e0", "e1", "e2", "e3"] as const;

export interface RandomMachine {
  readonly initial: string;
  readonly states: Readonly<Record<string, RandomState>>;
  /** From each state that a row can be in, by event, to the state that it is in then. */
  readonly model: ReadonlyMap<string, ReadonlyMap<string, string>>;
}
interface RandomState {
  readonly on?: Readonly<Record<string, string>>;
  readonly final?: true;
  readonly initial?: string;
  readonly onDone?: string;
  readonly states?: Readonly<Record<string, RandomState>>;
}

const arrows = fc.array(fc.record({ event: fc.constantFrom(...events), to: fc.nat() }), { maxLength: 3 });
const shape = fc.record({
  own: arrows,
  subs: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: fc.array(fc.record({ on: arrows, isFinal: fc.boolean() }), { minLength: 1, maxLength: 3 }),
    },
  ),
  done: fc.nat(),
});

/** Main states s0 … sn; each leads on to the next by e0, so that all are reached; the last is final. */
export const arbitraryMachine: fc.Arbitrary<RandomMachine> = fc
  .array(shape, { minLength: 1, maxLength: 5 })
  .map((shapes) => {
    const count = shapes.length + 1;
    const main = (at: number): string => `s${at % count}`;
    const states: Record<string, RandomState> = {};
    for (const [at, { own, subs, done }] of shapes.entries()) {
      const on = { ...Object.fromEntries(own.map(({ event, to }) => [event, main(to)])), e0: main(at + 1) };
      states[`s${at}`] = subs.length === 0 ? { on } : branch(at, on, subs, done, main, count);
    }
    states[`s${shapes.length}`] = { final: true };
    return { initial: "s0", states, model: modelOf(states) };
  });

function branch(
  at: number,
  on: Readonly<Record<string, string>>,
  subs: readonly {
    readonly on: readonly { readonly event: string; readonly to: number }[];
    readonly isFinal: boolean;
  }[],
  done: number,
  main: (at: number) => string,
  count: number,
): RandomState {
  // The first is never final, and each leads on to the next by e1: entered at the first, all are reached.
  const isFinal = (sub: number): boolean => sub > 0 && subs[sub]?.isFinal === true;
  const inner = Object.fromEntries(
    subs.map((sub, index): [string, RandomState] => {
      if (isFinal(index)) return [`t${index}`, { final: true }];
      const own = sub.on.map(({ event, to }): [string, string] => [
        event,
        to % 2 === 0 ? `t${(to / 2) % subs.length}` : main(to),
      ]);
      const next = subs.length === 1 ? [] : [["e1", `t${(index + 1) % subs.length}`] as [string, string]];
      return [`t${index}`, { on: Object.fromEntries([...own.filter(([event]) => event !== "e0"), ...next]) }];
    }),
  );
  const hasEnd = subs.some((_, index) => isFinal(index));
  // Later states only, or the final one: so it never leads round in a circle.
  const onDone = hasEnd ? { onDone: `s${at + 1 + (done % (count - at - 1))}` } : {};
  const reached = reachableSubs(inner);
  return {
    on,
    initial: "t0",
    ...onDone,
    states: Object.fromEntries(Object.entries(inner).filter(([name]) => reached.has(name))),
  };
}

/** Behind a final sub-state the chain breaks: what is not reached otherwise is left out. */
function reachableSubs(inner: Readonly<Record<string, RandomState>>): ReadonlySet<string> {
  const reached = new Set(["t0"]);
  for (const name of reached) for (const to of Object.values(inner[name]?.on ?? {})) if (to in inner) reached.add(to);
  return reached;
}

function modelOf(states: Readonly<Record<string, RandomState>>): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const model = new Map<string, ReadonlyMap<string, string>>();
  const rest = (path: string): string => {
    const [name = "", sub] = path.split(".");
    const state = states[name];
    if (state?.states === undefined) return name;
    if (sub === undefined) return rest(`${name}.${state.initial}`);
    return state.states[sub]?.final === true && state.onDone !== undefined ? rest(state.onDone) : path;
  };
  for (const [name, state] of Object.entries(states)) {
    if (state.states === undefined)
      model.set(
        name,
        targets(state.on, (to) => rest(to)),
      );
    else
      for (const [sub, spec] of Object.entries(state.states)) {
        const siblings = state.states;
        const own = targets(spec.on, (to) => rest(to in siblings ? `${name}.${to}` : to));
        model.set(`${name}.${sub}`, new Map([...targets(state.on, (to) => rest(to)), ...own]));
      }
  }
  return model;
}

function targets(on: RandomState["on"], rest: (to: string) => string): ReadonlyMap<string, string> {
  return new Map(Object.entries(on ?? {}).map(([event, to]) => [event, rest(to)]));
}
