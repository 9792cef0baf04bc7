// Which addresses a center calls: what registers may only name an executor, not make the center speak to anything else.
import { BlockList, isIP } from "node:net";

/** Link-local (cloud metadata lives there), unspecified, multicast and broadcast: nothing there is an executor. */
const forbidden = new BlockList();
forbidden.addSubnet("169.254.0.0", 16, "ipv4");
forbidden.addSubnet("0.0.0.0", 8, "ipv4");
forbidden.addSubnet("224.0.0.0", 3, "ipv4");
forbidden.addSubnet("fe80::", 10, "ipv6");
forbidden.addSubnet("ff00::", 8, "ipv6");
forbidden.addAddress("::", "ipv6");
const maxChars = 500;

/** Why a center will not call it; null where it may. */
export function faultOfAddress(address: string): string | null {
  if (address.length > maxChars || !URL.canParse(address)) return "expected a URL, such as http://10.0.0.5:9999/";
  const url = new URL(address);
  if (url.protocol !== "http:" && url.protocol !== "https:") return "expected http:// or https://";
  if (url.username !== "" || url.password !== "") return "expected no user and password in it";
  if (url.search !== "" || url.hash !== "") return "expected no query and no fragment in it";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const family = isIP(host);
  const plain = /^::ffff:([\d.]+)$/i.exec(host)?.[1];
  const isForbidden =
    (family === 4 && forbidden.check(host, "ipv4")) ||
    (family === 6 && forbidden.check(host, "ipv6")) ||
    (plain !== undefined && forbidden.check(plain, "ipv4"));
  return isForbidden ? "expected the address of a host, found a link-local, unspecified or multicast one" : null;
}
