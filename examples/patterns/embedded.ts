// A shop on the embedded default: one SQLite file, in a folder that is gone afterwards, which is the engine's database, too.
// In a program of yours this is `sqlite("makegood.db")`, and a participant on the client that you have.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely, type SqliteDatabase, SqliteDialect } from "kysely";
import { type AnyJob, type App, makegood, participant, type Store } from "makegood";
import { kysely } from "makegood/kysely";
import { sqlite } from "makegood/sqlite";
import { createTables, type Shop, type ShopDb, type ShopTables } from "./shop.ts";

export interface Embedded {
  readonly db: ShopDb;
  readonly shop: Shop;
  readonly adapter: ReturnType<typeof kysely<ShopTables>>;
  /** Another connection to the same file. */
  another(): ShopDb;
  /** A store value on the same file, as another process would have. */
  newStore(): Store;
  /** An app that works, with these jobs. */
  run(...jobs: readonly AnyJob[]): Promise<App>;
  close(): Promise<void>;
}

export async function openEmbedded(): Promise<Embedded> {
  const folder = mkdtempSync(join(tmpdir(), "makegood-pattern-"));
  const file = join(folder, "shop.db");
  const another = (): ShopDb => new Kysely({ dialect: new SqliteDialect({ database: openNodeSqlite(file) }) });
  const db = another();
  const adapter = kysely(db, { dialect: "sqlite" });
  const shop = participant("shop", adapter);
  await createTables(db);
  await shop.migrate();
  const newStore = (): Store => sqlite(file);
  const apps: App[] = [];
  return {
    db,
    shop,
    adapter,
    another,
    newStore,
    async run(...jobs) {
      const app = makegood({ store: newStore(), workerName: "shop-1", poll: "20ms", participants: [shop] });
      apps.push(app);
      app.register(...jobs);
      await app.run();
      return app;
    },
    async close() {
      for (const app of apps) await app.stop();
      await db.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Kysely's SQLite dialect expects better-sqlite3, which is native; Node has a SQLite of its own. */
export function openNodeSqlite(file: string): SqliteDatabase {
  const database = new DatabaseSync(file, { timeout: 50 });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  type Values = (null | number | bigint | string | Uint8Array)[];
  return {
    close: () => database.close(),
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        reader: statement.columns().length > 0,
        all: (values) => statement.all(...(values as Values)),
        run: (values) => statement.run(...(values as Values)),
        iterate: (values) => statement.iterate(...(values as Values)),
      };
    },
  };
}
