// One file for each run, which the admin's page reads while the run writes it: `logs/2026-01-30/123-1769767207500.log`. The
// path is made of numbers alone, its logId and the time when it was accepted: no text of a caller's gets into it.
//
// Lines are kept in memory until the file takes them, one write at a time, and flushed before a run is called ended. A crash
// can lose the last milliseconds of a log; nothing else depends on it.
import { createReadStream } from "node:fs";
import { appendFile, mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Clock, Log } from "../../core/ports.ts";

/** What the admin's page is answered with. `isEnd` is true only when there is no file: the admin knows by itself of an end. */
export interface LogPage {
  readonly fromLineNum: number;
  /** The last line returned; 0 when there is none. */
  readonly toLineNum: number;
  readonly logContent: string;
  readonly isEnd: boolean;
}

interface Place {
  readonly logId: number;
  readonly acceptedAt: number;
}

export interface RunLogSettings {
  readonly folder: string;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly log: Log;
}

const dayMs = 86_400_000;
/** The admin asks on, from the line behind the last: a page needs not hold all. */
const maxPageBytes = 512 * 1_024;
export const maxLineChars = 16_384;

export class RunLogs {
  readonly #settings: RunLogSettings;
  readonly #writers = new Map<number, RunLog>();

  constructor(settings: RunLogSettings) {
    this.#settings = settings;
  }

  /** The one writer of a run's log; `close` it when the run has ended. */
  open(place: Place): RunLog {
    const known = this.#writers.get(place.logId);
    if (known !== undefined) return known;
    const writer = new RunLog(place.logId, this.#pathOf(place), this.#settings, () =>
      this.#writers.delete(place.logId),
    );
    this.#writers.set(place.logId, writer);
    return writer;
  }

  /** From a line on, as much as one page holds. */
  async read(place: Place, fromLineNum: number): Promise<LogPage> {
    await this.#writers.get(place.logId)?.flush();
    return (await readPage(this.#pathOf(place), fromLineNum)) ?? missingPage(place.logId, fromLineNum);
  }

  /** Deletes the folders of days that lie wholly before. */
  async prune(before: number): Promise<void> {
    const logs = join(this.#settings.folder, "logs");
    for (const name of await readdir(logs).catch(() => [])) {
      const startsAt = /^\d{4}-\d{2}-\d{2}$/.test(name) ? Date.parse(`${name}T00:00:00Z`) : Number.NaN;
      if (startsAt + dayMs <= before) await rm(join(logs, name), { recursive: true, force: true });
    }
  }

  #pathOf({ logId, acceptedAt }: Place): string {
    const day = new Date(acceptedAt).toISOString().slice(0, 10);
    return join(this.#settings.folder, "logs", day, `${logId}-${acceptedAt}.log`);
  }
}

export function missingPage(logId: number, fromLineNum: number): LogPage {
  return { fromLineNum, toLineNum: 0, logContent: `there is no log of run ${logId} on this executor`, isEnd: true };
}

/** Takes a job's lines; pino-compatible. Never throws: a disk that is full costs the log, not the run. */
export class RunLog implements Log {
  readonly #path: string;
  readonly #settings: RunLogSettings;
  readonly #forget: () => void;
  readonly #about: { readonly logId: number };
  #pending: string[] = [];
  #writing: Promise<void> | null = null;
  /** Null until the file was looked at. */
  #bytes: number | null = null;
  #isFull = false;

  constructor(logId: number, path: string, settings: RunLogSettings, forget: () => void) {
    this.#about = { logId };
    this.#path = path;
    this.#settings = settings;
    this.#forget = forget;
  }

  debug(fields: object, message?: string): void {
    this.write("debug", fields, message);
  }
  info(fields: object, message?: string): void {
    this.write("info", fields, message);
  }
  warn(fields: object, message?: string): void {
    this.write("warn", fields, message);
  }
  error(fields: object, message?: string): void {
    this.write("error", fields, message);
  }

  /** As pino takes it: fields and a message, or a message alone. */
  write(level: keyof Log, fields: object | string, message = ""): void {
    const [given, text] = typeof fields === "string" ? [{}, fields] : [fields, message];
    const time = new Date(this.#settings.clock.now()).toISOString();
    const line = `${time} ${level.toUpperCase().padEnd(5)} ${text}${fieldsText(given)}`;
    this.#pending.push(`${printable(line).slice(0, maxLineChars)}\n`);
    this.#writing ??= this.#write();
  }

  /** What follows is not kept. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Resolves when every line so far is in the file, or was given up. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    this.#forget();
  }

  async #write(): Promise<void> {
    // Lines of one turn of the event loop go out together.
    await null;
    while (this.#pending.length > 0) {
      const lines = this.#pending;
      this.#pending = [];
      try {
        await this.#append(lines);
      } catch (error) {
        this.#settings.log.warn({ err: error, ...this.#about }, "lines of a run's log could not be written");
      }
    }
    this.#writing = null;
  }

  async #append(lines: readonly string[]): Promise<void> {
    if (this.#isFull) return;
    if (this.#bytes === null) {
      await mkdir(dirname(this.#path), { recursive: true });
      this.#bytes = (await stat(this.#path).catch(() => null))?.size ?? 0;
    }
    let text = "";
    for (const line of lines) {
      const bytes = Buffer.byteLength(line);
      if (this.#bytes + bytes > this.#settings.maxBytes) {
        this.#isFull = true;
        text += `the log is full at ${this.#settings.maxBytes} bytes: what follows is not kept\n`;
        break;
      }
      this.#bytes += bytes;
      text += line;
    }
    await appendFile(this.#path, text);
  }
}

async function readPage(path: string, fromLineNum: number): Promise<LogPage | null> {
  if ((await stat(path).catch(() => null)) === null) return null;
  const lines: string[] = [];
  let [number, bytes] = [0, 0];
  const stream = createReadStream(path, "utf8");
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (number < fromLineNum) continue;
      bytes += Buffer.byteLength(line) + 1;
      if (lines.length > 0 && bytes > maxPageBytes) break;
      lines.push(line);
    }
  } finally {
    stream.destroy();
  }
  const toLineNum = lines.length === 0 ? 0 : fromLineNum + lines.length - 1;
  return { fromLineNum, toLineNum, logContent: lines.join("\n"), isEnd: false };
}

/** As JSON behind the message; of an error its stack. */
function fieldsText(fields: object): string {
  const entries = Object.entries(fields);
  if (entries.length === 0) return "";
  try {
    const plain = entries.map(([name, value]) => [
      name,
      value instanceof Error ? (value.stack ?? value.message) : value,
    ]);
    return ` ${JSON.stringify(Object.fromEntries(plain), (_, value) => (typeof value === "bigint" ? `${value}` : value))}`;
  } catch {
    return " (fields that cannot be shown)";
  }
}

/** Without what drives a terminal or a browser; a line's own breaks stay. */
function printable(line: string): string {
  return line.replaceAll(/\r\n?/g, "\n").replaceAll(/[^\P{Cc}\n\t]/gu, "");
}
