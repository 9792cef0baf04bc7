import { StoreUnavailableError } from "../../core/errors.ts";

/** Of one transaction; over as soon as its connection is lost or it has ended. */
export interface Life {
  isOver: boolean;
}

const lives = new WeakMap<object, Life>();

/** From now on `lifeOf` knows what a body was handed. */
export function giveLife(handed: object, life: Life): void {
  lives.set(handed, life);
}

/** Of what a body was handed; undefined for anything else. */
export const lifeOf = (handed: object): Life | undefined => lives.get(handed);

export function refuseIfOver(life: Life | undefined): void {
  if (life?.isOver === true) throw overError();
}

export const overError = (): Error =>
  new StoreUnavailableError(
    "Expected the transaction to be open, found that its connection was lost or that it has ended",
    {},
  );
