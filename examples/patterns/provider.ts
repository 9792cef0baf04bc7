// Somebody else's service, in memory. It honors the contract of docs/remote-services.md: one effect per key, and the undo of a
// key that it never saw blocks that key. Its network does not: an answer can get lost, and a call can fail.
import { RefusedError } from "makegood";

type Trouble = "answer-lost" | "fails" | "refused";

export class Provider {
  /** Every effect that it had and that was not undone, by key. */
  readonly effects = new Map<string, string>();
  /** Every call, in order, also those that had no effect. */
  readonly calls: string[] = [];
  /** What goes wrong, by what is asked for, and how often from now on. */
  readonly #troubles = new Map<string, { readonly trouble: Trouble; left: number }>();
  readonly #blocked = new Set<string>();
  #answered = new Map<string, string>();

  /** From now on this happens to the next `times` calls for `what`. */
  trouble(what: string, trouble: Trouble, times = Number.POSITIVE_INFINITY): this {
    this.#troubles.set(what, { trouble, left: times });
    return this;
  }

  /** Has an effect once per key, and gives every repeat the same answer. */
  do(key: string, what: string): string {
    this.calls.push(what);
    const trouble = this.#next(what);
    if (trouble === "fails") throw new Error(`${what}: the service is away`);
    if (trouble === "refused") throw new RefusedError(`${what}: no`);
    if (this.#blocked.has(key)) throw new RefusedError(`${what}: was undone before it came`);
    const answer = this.#answered.get(key) ?? `receipt ${this.#answered.size + 1}`;
    if (!this.#answered.has(key)) this.effects.set(key, what);
    this.#answered.set(key, answer);
    if (trouble === "answer-lost") throw new Error(`${what}: no answer in time`);
    return answer;
  }

  /** Undoes what was done under `actionKey`, once, or keeps it from being done later. */
  undo(actionKey: string, what: string): void {
    this.calls.push(`undo ${what}`);
    const trouble = this.#next(`undo ${what}`);
    if (trouble === "fails") throw new Error(`undo ${what}: the service is away`);
    this.#blocked.add(actionKey);
    this.effects.delete(actionKey);
    if (trouble === "answer-lost") throw new Error(`undo ${what}: no answer in time`);
  }

  #next(what: string): Trouble | undefined {
    const found = this.#troubles.get(what);
    if (found === undefined || found.left === 0) return undefined;
    found.left--;
    return found.trouble;
  }
}
