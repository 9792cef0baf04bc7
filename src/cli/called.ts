import type { CallOptions } from "../index.ts";

/** A call in a word: `orders/settle`, and of a script `orders/GLUE_SHELL`. */
export const calledBy = ({ group, handler, script }: Pick<CallOptions, "group" | "handler" | "script">): string =>
  `${group}/${script?.type ?? handler}`;
