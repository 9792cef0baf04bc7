import { UsageError } from "./usage-error.ts";

export interface CsvRecord {
  /** The line of the file on which the record begins, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/**
 * Comma-separated values as RFC 4180 has them: fields may be quoted, a quoted field may hold commas, line breaks and
 * doubled quotes; lines end in LF or CRLF, the last one may end without. A byte order mark and empty lines are passed over.
 * Throws UsageError, naming the line, for a quote that never ends and for text beside a quoted field.
 *
 * Written here, since the demo is the only reader of such files and the package has no run-time dependencies.
 */
export function parseCsv(text: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  const reader = new Reader(text);
  while (!reader.isAtEnd) {
    const record = reader.readRecord();
    if (record.fields.length > 1 || record.fields[0] !== "") records.push(record);
  }
  return records;
}

const quote = '"';

class Reader {
  readonly #text: string;
  #at: number;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
    this.#at = text.startsWith("\ufeff") ? 1 : 0;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  readRecord(): CsvRecord {
    const line = this.#line;
    const fields = [this.#readField()];
    while (this.#text[this.#at] === ",") {
      this.#at++;
      fields.push(this.#readField());
    }
    this.#passLineEnd();
    return { line, fields };
  }

  #readField(): string {
    return this.#text[this.#at] === quote ? this.#readQuoted() : this.#readPlain();
  }

  #readPlain(): string {
    const start = this.#at;
    while (!this.isAtEnd && !this.#isAtDelimiter()) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  #readQuoted(): string {
    const line = this.#line;
    let field = "";
    // A doubled quote is read as a closing one whose neighbor opens the rest of the field.
    do {
      const closing = this.#text.indexOf(quote, this.#at + 1);
      if (closing < 0) throw new UsageError(`line ${line}: expected a closing quote, found the end of the file`);
      field += this.#text.slice(this.#at + 1, closing);
      this.#at = closing + 1;
      if (this.#text[this.#at] === quote) field += quote;
    } while (this.#text[this.#at] === quote);
    this.#line += field.split("\n").length - 1;
    if (this.isAtEnd || this.#isAtDelimiter()) return field;
    throw new UsageError(`line ${this.#line}: expected a comma or the end of the line after a quoted field`);
  }

  #isAtDelimiter(): boolean {
    const character = this.#text[this.#at];
    return character === "," || character === "\n" || (character === "\r" && this.#isLineFeedNext());
  }

  #isLineFeedNext(): boolean {
    return this.#text[this.#at + 1] === "\n";
  }

  #passLineEnd(): void {
    if (this.#text[this.#at] === "\r") this.#at++;
    if (this.#text[this.#at] === "\n") this.#at++;
    this.#line++;
  }
}
