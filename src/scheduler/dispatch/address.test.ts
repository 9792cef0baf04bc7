import { expect, it } from "vitest";
import { faultOfAddress } from "./address.ts";

it.each(["http://10.0.0.5:9999/", "https://orders.internal/executor", "http://127.0.0.1:9999", "http://[::1]:9999/"])(
  "%s may be an executor",
  (address) => {
    expect(faultOfAddress(address)).toBeNull();
  },
);

it.each([
  "",
  "orders:9999",
  "ftp://10.0.0.5/",
  "file:///etc/passwd",
  "http://user:secret@10.0.0.5/",
  "http://10.0.0.5/?x=1",
  "http://10.0.0.5/#x",
  "http://169.254.169.254/latest/meta-data/",
  "http://[fe80::1]/",
  "http://[::ffff:169.254.169.254]/",
  "http://0.0.0.0:80/",
  "http://2852039166/",
  `http://${"a".repeat(600)}/`,
])("%s is refused", (address) => {
  expect(faultOfAddress(address)).toContain("expected");
});
