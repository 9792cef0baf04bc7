import { type RowReaders, rowReaders } from "../server/rows.ts";
import { bytesOrNull, int, intOrNull, text, textOrNull } from "./values.ts";

export const readers: RowReaders = rowReaders({
  id: text,
  idOrNull: textOrNull,
  int,
  intOrNull,
  text,
  textOrNull,
  bytesOrNull,
});
