import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface SqliteFiles {
  /** In WAL mode, with a table `effect (note)`. */
  readonly path: string;
  /** Empty, in WAL mode. */
  readonly emptyPath: string;
  readonly countEffects: (note: string) => number;
  readonly remove: () => void;
}

export function makeSqliteFiles(): SqliteFiles {
  const folder = mkdtempSync(join(tmpdir(), "makegood-participant-"));
  const [path, emptyPath] = [join(folder, "orders.db"), join(folder, "empty.db")];
  const reader = new DatabaseSync(path);
  reader.exec("PRAGMA journal_mode = WAL; CREATE TABLE effect (note TEXT NOT NULL)");
  const empty = new DatabaseSync(emptyPath);
  empty.exec("PRAGMA journal_mode = WAL");
  empty.close();
  return {
    path,
    emptyPath,
    countEffects: (note) => Number(reader.prepare("SELECT count(*) AS n FROM effect WHERE note = ?").get(note)?.["n"]),
    remove: () => {
      reader.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
