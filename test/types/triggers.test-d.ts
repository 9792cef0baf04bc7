// What the compiler knows of triggers by time: what starts a job also supplies its input.
import { type App, job, type Schema } from "makegood";
import {
  type CompletedTrigger,
  type Ended,
  onAllCompleted,
  onAnyCompleted,
  onCompleted,
} from "../../src/core/schedule/completed.ts";
import { at, cron, every, type Fire, type TimeTrigger } from "../../src/core/schedule/trigger.ts";
import { same } from "./equal.ts";

/** As a job's `on` takes them: the trigger does not decide what the input is. */
declare function on<I>(input: I, triggers: readonly TimeTrigger<NoInfer<I>>[]): void;

on({ id: "" }, [
  cron("0 0 3 * * ?", {
    zone: "Asia/Shanghai",
    input: (fire) => {
      same<typeof fire, Fire>(true);
      return { id: fire.scheduledAt.toISOString() };
    },
  }),
  every("5m", { afterEnd: true, input: () => ({ id: "x" }) }),
  at("2026-05-05T05:00:00Z", { input: (fire) => ({ id: String(fire.shard.index) }) }),
]);
declare function onWithoutInput(triggers: readonly TimeTrigger<void>[]): void;
onWithoutInput([cron("0 0 3 * * ?"), every("5m"), at(0)]);

// @ts-expect-error a schedule without input cannot start a job that needs one
on({ id: "" }, [cron("0 0 3 * * ?")]);
// @ts-expect-error nor can an interval
on({ id: "" }, [every("5m", { jitter: "1s" })]);
// @ts-expect-error the input is another
on({ id: "" }, [every("5m", { input: () => ({ id: 5 }) })]);
// @ts-expect-error there is no third dialect
cron("0 0 3 * * ?", { dialect: "spring" });
// @ts-expect-error only an interval counts from an end
cron("0 0 3 * * ?", { afterEnd: true });
// @ts-expect-error a unit is missing
every("5");

// In a job's `on`, beside messages.
declare const Id: Schema<{ id: string }, { id: string }>;
job(
  "nightly",
  { input: Id, on: [cron("0 0 3 * * ?", { input: (fire) => ({ id: fire.scheduledAt.toISOString() }) })] },
  () => {},
);
job("sweep", { on: [every("5m"), at(0)] }, () => {});
// @ts-expect-error a schedule without input cannot start a job that needs one
job("nightly", { input: Id, on: [cron("0 0 3 * * ?")] }, () => {});

// Made by a program: the input is the job's.
declare const app: App;
const nightly = job("nightly", { input: Id }, () => {});
app.schedules.add(nightly, every("1h"), { input: { id: "x" } });
app.schedules.add({ group: "orders", handler: "close", retries: 2 }, cron("0 0 3 * * ?"));
// @ts-expect-error another input
app.schedules.add(nightly, every("1h"), { input: { id: 5 } });

// What starts a job when others have completed knows what they ended with.
const rows = job("rows", {}, async () => ({ count: 1 }));
const name = job("name", {}, async () => "Ada");
declare function follow<I>(input: I, triggers: readonly CompletedTrigger<NoInfer<I>>[]): void;
follow({ id: "" }, [
  onCompleted(name, {
    input: (end) => {
      same<typeof end, Ended<string>>(true);
      return { id: end.result };
    },
  }),
  onAnyCompleted([rows, name], {
    input: ({ result }) => {
      same<typeof result, string | { count: number }>(true);
      return { id: "" };
    },
  }),
  onAllCompleted([rows, name], { input: ([one, other]) => ({ id: `${one.result.count}${other.result.trim()}` }) }),
]);
declare function followWithoutInput(triggers: readonly CompletedTrigger<void>[]): void;
followWithoutInput([onCompleted(name), onCompleted([rows, name]), onAllCompleted([rows, "a schedule"])]);

// @ts-expect-error the input is another
follow({ id: "" }, [onCompleted(rows, { input: ({ result }) => ({ id: result.count }) })]);
// @ts-expect-error what starts a job with an input must make one
follow({ id: "" }, [onCompleted(rows)]);
// @ts-expect-error there is no third end
onAllCompleted([rows, name], { input: ([, , third]) => third });
