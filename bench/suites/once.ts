// A business transaction with an execution record, against one with a unique key and a stored answer by hand (`--floor`).
import type { RunCase } from "../contender.ts";
import { payOnce, widths } from "../once-work.ts";
import type { Case, Suite } from "./suite.ts";

const ours = payOnce("record");

const caseOf = (width: number): Case => ({
  id: String(width),
  title: `a transaction of two statements, once by key with its answer stored, ${width} at a time`,
  unit: "transactions",
  kind: "rate",
  count: width === 1 ? 3_000 : 8_000,
  warmUp: 500,
  ours: ours[`once/${width}`] as RunCase,
});

export const once: Suite = {
  name: "once",
  title: "a transaction of the user's own that takes effect once by its key",
  cases: widths.map(caseOf),
};
