import { describe, expect, it } from "vitest";
import { StoreConflictError, StorePoisonError } from "../../core/errors.ts";
import { silentLog } from "../../core/ports.ts";
import type { Row, Statement } from "../../core/script.ts";
import type { Store } from "../../core/store.ts";
import { Scene } from "../testing/scene.ts";
import { committing } from "./commit.ts";
import type { Connections } from "./connection.ts";
import { Notices } from "./notify.ts";

const scene = new Scene({} as Store);
const isTelling = ({ sql }: Statement): boolean => sql.includes("pg_notify");

/** A server that answers as `answer` says, and what it was asked. */
function committingOn(answer: (statement: Statement) => readonly Row[]) {
  const asked: Statement[] = [];
  const connections = {
    prepared: async (statement: Statement) => {
      asked.push(statement);
      return answer(statement);
    },
  } as unknown as Connections;
  return { asked, commit: committing(connections, new Notices(connections, silentLog)) };
}

describe("a commit that carries news", () => {
  it("goes without them where the server refuses them", async () => {
    const { asked, commit } = committingOn((statement) => {
      if (isTelling(statement)) throw new StorePoisonError("too many notifications", { sqlState: "54000" });
      return [{ now: "1" }];
    });
    const { starts } = await commit([scene.execution()], []);
    expect(starts).toMatchObject([{ kind: "started", isAnnounced: false }]);
    expect(asked.map(isTelling)).toEqual([true, false]);
  });

  it("is left to its caller where it may be repeated as it is", async () => {
    const { asked, commit } = committingOn(() => {
      throw new StoreConflictError("deadlock", {});
    });
    await expect(commit([scene.execution()], [])).rejects.toThrow("deadlock");
    expect(asked.map(isTelling)).toEqual([true]);
  });
});
