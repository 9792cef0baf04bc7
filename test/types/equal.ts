/** True only for the very same type: readonly, optional and `any` included. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** `same<Found, Expected>(true)` compiles only if the two are the same type. */
export const same = <A, B>(_: Equal<A, B>): void => {};
