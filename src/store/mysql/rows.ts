import { type RowReaders, rowReaders } from "../server/rows.ts";
import { bytesOrNull, idOf, idOrNull, int, intOrNull, text, textOrNull } from "./values.ts";

export const readers: RowReaders = rowReaders({ id: idOf, idOrNull, int, intOrNull, text, textOrNull, bytesOrNull });
