// The tables of an XXL-JOB admin, as far as they are read: written from what is known of their columns, on a real MariaDB.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mysql from "mysql2/promise";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import { createMariadbDatabase } from "../../../test/services/mariadb.ts";
import { makegood } from "../../index.ts";
import { sqlite } from "../../sqlite.ts";
import { runCli } from "../testing/run-cli.ts";

const tables = [
  `CREATE TABLE xxl_job_group (id INT PRIMARY KEY, app_name VARCHAR(64), title VARCHAR(12), address_type TINYINT, address_list TEXT, update_time DATETIME)`,
  `CREATE TABLE xxl_job_info (
     id INT PRIMARY KEY, job_group INT, job_desc VARCHAR(255), add_time DATETIME, update_time DATETIME, author VARCHAR(64), alarm_email VARCHAR(255),
     schedule_type VARCHAR(50), schedule_conf VARCHAR(128), misfire_strategy VARCHAR(50), executor_route_strategy VARCHAR(50),
     executor_handler VARCHAR(255), executor_param VARCHAR(512), executor_block_strategy VARCHAR(50), executor_timeout INT,
     executor_fail_retry_count INT, glue_type VARCHAR(50), glue_source MEDIUMTEXT, child_jobid VARCHAR(255), trigger_status TINYINT,
     trigger_last_time BIGINT, trigger_next_time BIGINT)`,
  `INSERT INTO xxl_job_group (id, app_name, title, address_type, address_list) VALUES
     (1, 'orders', '订单', 0, NULL), (2, 'stock', 'Stock', 1, 'http://10.0.0.1:9999/,http://10.0.0.2:9999/')`,
];
const jobs = [
  // id, group, title, mail, type, conf, misfire, route, handler, param, block, timeout, retries, glue, children, status
  [
    1,
    1,
    "对账",
    "",
    "CRON",
    "0 0 3 * * ?",
    "DO_NOTHING",
    "ROUND",
    "settle",
    "a=1",
    "SERIAL_EXECUTION",
    60,
    2,
    "BEAN",
    "",
    1,
  ],
  [
    2,
    2,
    "Stock",
    "a@b.c",
    "FIX_RATE",
    "30",
    "FIRE_ONCE_NOW",
    "CONSISTENT_HASH",
    "count",
    "",
    "DISCARD_LATER",
    0,
    0,
    "BEAN",
    "1,4",
    0,
  ],
  [
    3,
    1,
    "Script",
    "",
    "CRON",
    "0 0 3 * * ?",
    "DO_NOTHING",
    "FIRST",
    "",
    "",
    "SERIAL_EXECUTION",
    0,
    0,
    "GLUE_SHELL",
    "",
    1,
  ],
  [4, 1, "By hand", "", "NONE", "", "DO_NOTHING", "FIRST", "byHand", "", "COVER_EARLY", 0, 0, "BEAN", "", 0],
  [5, 1, "Wrong", "", "CRON", "0 0 25 * * ?", "DO_NOTHING", "FIRST", "wrong", "", "COVER_EARLY", 0, 0, "BEAN", "", 1],
  [7, 1, "Ping", "", "FIX_RATE", "60", "DO_NOTHING", "FIRST", "ping", "", "COVER_EARLY", 0, 0, "BEAN", "8,5", 0],
  [8, 1, "Pong", "", "NONE", "", "DO_NOTHING", "FIRST", "pong", "", "COVER_EARLY", 0, 0, "BEAN", "7", 0],
  [6, 9, "Orphan", "", "FIX_RATE", "5", "DO_NOTHING", "FIRST", "orphan", "", "COVER_EARLY", 0, 0, "BEAN", "", 1],
];

describeWithMariadb("makegood import xxl-job", (source) => {
  const folder = mkdtempSync(join(tmpdir(), "makegood-import-"));
  const file = join(folder, "center.db");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  beforeAll(async () => {
    const connection = await mysql.createConnection({ uri: source.url, charset: "utf8mb4" });
    for (const sql of tables)
      await connection.query(sql.replace(/^(CREATE[\s\S]*)\)$/, "$1) DEFAULT CHARACTER SET utf8mb4"));
    for (const job of jobs)
      await connection.query(
        `INSERT INTO xxl_job_info (id, job_group, job_desc, alarm_email, schedule_type, schedule_conf, misfire_strategy, executor_route_strategy,
           executor_handler, executor_param, executor_block_strategy, executor_timeout, executor_fail_retry_count, glue_type, child_jobid, trigger_status)
         VALUES (${job.map(() => "?").join(", ")})`,
        job,
      );
    await connection.end();
  });
  const from = () => ["import", "xxl-job", "--from", source.url, "--zone", "Asia/Shanghai", "--store", file] as const;

  it("shows first what would become of it, and does nothing", async () => {
    const { code, out, error } = await runCli(...from());
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      "job 1  对账  orders/settle  0 0 3 * * ?",
      "job 2  Stock  stock/count  every 30 s  (paused)",
      "job 7  Ping  orders/ping  every 60 s  (paused)",
      "job 8  Pong  orders/pong  by hand alone  (paused)",
      "job 1  对账  orders/settle  after job 2",
      "job 4  By hand  orders/byHand  after job 2",
      "group orders  registers by itself",
      "group stock  http://10.0.0.1:9999/, http://10.0.0.2:9999/",
      "LEFT OUT  job 3  Script: it is a script (GLUE_SHELL), which only --scripts takes over",
      expect.stringMatching(/^LEFT OUT {2}job 5 {2}Wrong: its schedule is not understood: .*hour/i),
      "LEFT OUT  job 6  Orphan: its group 9 is gone",
      "in part   job 7  Ping: its child job 5 is left out or unknown, so nothing starts it",
      "in part   job 8  Pong: it, or what it follows, would follow itself by way of child jobs: it is not made a child",
      "in part   job 7  Ping: it, or what it follows, would follow itself by way of child jobs: it is not made a child",
      "in part   job 2  Stock: its alarm e-mail (a@b.c) has no counterpart yet",
      "",
    ]);
    expect(error).toContain("Nothing was done");
  });

  it("makes them when told to, with the numbers that executors know them by, and changes nothing the second time", async () => {
    expect(await runCli(...from(), "--apply")).toMatchObject({
      code: 0,
      error: expect.stringContaining("6 schedules made, 0"),
    });
    expect(await runCli(...from(), "--apply")).toMatchObject({
      code: 0,
      error: expect.stringContaining("0 schedules made, 6"),
    });
    const store = sqlite(file);
    const app = makegood({ store });
    const [settle, count] = [await app.schedules.find("xxl-job-1"), await app.schedules.find("xxl-job-2")];
    expect(settle).toMatchObject({
      state: "active",
      schedule: { cron: "0 0 3 * * ?", zone: "Asia/Shanghai" },
      call: {
        group: "orders",
        handler: "settle",
        param: "a=1",
        route: "round",
        block: "serial",
        timeoutMs: 60_000,
        retries: 2,
        jobId: 1,
      },
    });
    expect(new Date(settle?.nextAt ?? 0).toISOString()).toMatch(/T19:00:00\.000Z$/);
    expect(count).toMatchObject({
      state: "paused",
      schedule: { every: 30_000 },
      call: { route: "consistent-hash", block: "discard-new", timeoutMs: null, jobId: 2 },
    });
    const names = (await app.schedules.graph()).map(({ from, to, join }) => [from.name, to.name, join]);
    expect(names.toSorted()).toEqual([
      ["xxl-job-2", "xxl-job-1-child", "each"],
      ["xxl-job-2", "xxl-job-4", "each"],
    ]);
    expect((await store.executors.list({ namespace: "default" })).map(({ group, source }) => [group, source])).toEqual([
      ["stock", "manual"],
      ["stock", "manual"],
    ]);
    await app.stop({ graceMs: 0 });
  });

  it("takes over scripts with --scripts alone, and leaves out what cannot be one", async () => {
    const connection = await mysql.createConnection({ uri: source.url });
    const scripts = [
      [3, "GLUE_SHELL", "echo $1\r\n"],
      [10, "GLUE_PERL", "print 1"],
      [11, "GLUE_PHP", "x".repeat(65_537)],
    ] as const;
    for (const [id, type, text] of scripts) {
      if (id !== 3)
        await connection.query(
          `INSERT INTO xxl_job_info SELECT ${id}, job_group, job_desc, add_time, update_time, author, alarm_email, schedule_type,
             schedule_conf, misfire_strategy, executor_route_strategy, executor_handler, executor_param, executor_block_strategy,
             executor_timeout, executor_fail_retry_count, glue_type, glue_source, child_jobid, trigger_status,
             trigger_last_time, trigger_next_time FROM xxl_job_info WHERE id = 3`,
        );
      await connection.query("UPDATE xxl_job_info SET glue_type = ?, glue_source = ? WHERE id = ?", [type, text, id]);
    }
    await connection.end();
    const { out } = await runCli(...from(), "--scripts");
    expect(out.split("\n").filter((line) => line.includes("Script"))).toEqual([
      "job 3  Script  orders/GLUE_SHELL  0 0 3 * * ?",
      expect.stringMatching(
        /^LEFT OUT {2}job 10 .*its script cannot be taken over: script.type: expected one of GLUE_SHELL/,
      ),
      expect.stringMatching(
        /^LEFT OUT {2}job 11 .*its script cannot be taken over: script.source: .* found 65537 bytes/,
      ),
    ]);
    await runCli(...from(), "--apply");
    await using app = makegood({ store: sqlite(file) });
    expect(await app.schedules.find("xxl-job-3")).toBeNull();
    expect(await runCli(...from(), "--scripts", "--apply")).toMatchObject({
      code: 0,
      error: expect.stringContaining("1 schedules made, 6"),
    });
    const call = { group: "orders", handler: "", jobId: 3, script: { type: "GLUE_SHELL", source: "echo $1\n" } };
    expect(await app.schedules.find("xxl-job-3")).toMatchObject({ call });
    expect(await app.schedules.audit("xxl-job-3")).toMatchObject([
      {
        actor: { kind: "user", id: "import" },
        note: expect.stringMatching(/^XXL-JOB's job 3, Script; GLUE_SHELL with SHA-256 [0-9a-f]{64}$/),
      },
    ]);
  });

  it("says what is missing: a zone, a database, one of XXL-JOB's", async () => {
    const empty = await createMariadbDatabase(source.url);
    for (const [args, message] of [
      [["--from", source.url], "expected --from and --zone"],
      [["--from", "orders.db", "--zone", "UTC"], "expected mysql://"],
      [["--from", empty.url, "--zone", "UTC"], "expected an XXL-JOB database"],
      [["--from", source.url, "--zone", "Mars/Olympus"], "Mars/Olympus"],
    ] as const) {
      const { code, error } = await runCli("import", "xxl-job", ...args);
      expect([code, error]).toEqual([2, expect.stringContaining(message)]);
    }
    await empty.drop();
  });
});
