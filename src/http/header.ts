// The header `Idempotency-Key` of draft-ietf-httpapi-idempotency-key-header-06: a structured field (RFC 9651), one string.

export type ParsedKey = { readonly key: string } | { readonly fault: string };

/** A string in quotes, with `\"` and `\\` within; parameters may follow, and mean nothing here. */
const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"(?:\s*;\s*[a-z*][a-z0-9_.*-]*(?:=[^;,]*)?)*$/;
/** What many clients send instead: printable ASCII without space, quotes, comma, semicolon and backslash. */
const bare = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/;
const maxKeyChars = 255;

/** `"abc"` and `abc` are the same key. Two headers, which servers join by a comma, are none. */
export function parseKey(header: string): ParsedKey {
  const text = header.trim();
  const inner = quoted.exec(text)?.[1]?.replaceAll(/\\(["\\])/g, "$1");
  const key = inner ?? (bare.test(text) ? text : undefined);
  if (key === undefined)
    return {
      fault: 'expected one string in quotes, such as "8e03978e-40d5-43dd-bc93-6894a57f9324", of printable ASCII',
    };
  if (key === "" || key.length > maxKeyChars)
    return { fault: `expected a key of 1 to ${maxKeyChars} characters, found ${key.length}` };
  return { key };
}
