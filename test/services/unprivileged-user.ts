/** Database servers refuse to run as root. */
import { readFileSync } from "node:fs";
import type { UnprivilegedUser } from "./guarded.ts";

/** `preferred`, else nobody; null where this process is not root and servers run as its own user. */
export function unprivilegedUser(preferred: string): UnprivilegedUser | null {
  if (process.getuid?.() !== 0) return null;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const user = users.find(([name]) => name === preferred) ?? users.find(([name]) => name === "nobody");
  if (user === undefined)
    throw new Error(`Expected a user ${preferred} or nobody to run the server as, found neither.`);
  return { uid: Number(user[2]), gid: Number(user[3]) };
}
