// makegood as the suites use it: through its public entries, straight from the source.
import { type AnyJob, type App, type AppOptions, makegood, type Store } from "../src/index.ts";
import { mysqlFromUrl } from "../src/mysql.ts";
import { postgresFromUrl } from "../src/postgres.ts";
import { sqlite } from "../src/sqlite.ts";
import type { Place } from "./contender.ts";

/** Executions in memory at once; room for 256 at a time, and for as many that wait for their commit. */
export const concurrency = 512;

export const isPostgres = (place: Place): boolean => place.url.startsWith("postgres");
export const isMariadb = (place: Place): boolean => place.url.startsWith("mysql:");

export async function openStore(place: Place): Promise<Store> {
  if (isMariadb(place)) return mysqlFromUrl(place.url, { migrate: true });
  return isPostgres(place) ? postgresFromUrl(place.url, { migrate: true }) : sqlite(place.url);
}

/** An app that is open and does not work yet. */
export async function openApp(
  place: Place,
  jobs: readonly AnyJob[],
  options: Omit<AppOptions, "store"> = {},
): Promise<App> {
  const app = makegood({ store: await openStore(place), concurrency, ...options });
  app.register(...jobs);
  await app.open();
  return app;
}

/** Runs `use` with an app that works, and stops it, whatever happens. */
export async function withWorkingApp<T>(
  place: Place,
  jobs: readonly AnyJob[],
  use: (app: App) => Promise<T>,
  options: Omit<AppOptions, "store"> = {},
): Promise<T> {
  const app = await openApp(place, jobs, options);
  try {
    await app.run();
    return await use(app);
  } finally {
    await app.stop({ graceMs: 0 });
  }
}
