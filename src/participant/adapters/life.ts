import { StoreUnavailableError } from "../../core/errors.ts";

/** Of one transaction; over as soon as its connection is lost or it has ended. */
export interface Life {
  isOver: boolean;
}

/** By this name what a body is handed tells its life. No WeakMap: of as many entries as transactions it costs 4 % of them. */
export const lifeKey = Symbol("makegood.life");

/** Of what a body was handed; undefined for anything else. */
export const lifeOf = (handed: object): Life | undefined => (handed as { readonly [lifeKey]?: Life })[lifeKey];

export function refuseIfOver(life: Life | undefined): void {
  if (life?.isOver === true) throw overError();
}

export const overError = (): Error =>
  new StoreUnavailableError(
    "Expected the transaction to be open, found that its connection was lost or that it has ended",
    {},
  );
