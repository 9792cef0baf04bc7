/** Puts two runs in an order, without a clock: one waits at a gate until the test opens it. */
export interface Gate {
  /** Resolves when somebody is at the gate. */
  readonly reached: Promise<void>;
  /** What the one that has to wait calls. */
  pass(): Promise<void>;
  open(): void;
}

export function gate(): Gate {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    pass() {
      reached.resolve();
      return opened.promise;
    },
    open: () => opened.resolve(),
  };
}

/** A process that dies here: nothing of it comes after. Await `reached` to know that it is dead. */
export const grave = (): Gate => gate();

/** For naive forms: where the test may hold or end them. */
export type Pause = () => Promise<void>;
