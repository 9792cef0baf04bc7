import { describe, expect, test } from "vitest";
import { describeStore, parseStoreAddress } from "./store-address.ts";
import { UsageError } from "./usage-error.ts";

describe("the address of a store", () => {
  test.each([
    ["orders.db", "orders.db"],
    ["./a/orders.db", "./a/orders.db"],
    ["sqlite:orders.db", "orders.db"],
    ["sqlite:/var/orders.db", "/var/orders.db"],
    ["sqlite:///var/orders.db", "/var/orders.db"],
    ["C:\\orders.db", "C:\\orders.db"],
  ])("%s is a file", (text, path) => {
    expect(parseStoreAddress(text)).toEqual({ kind: "sqlite", path });
  });

  test.each(["postgres://u:p@localhost:5432/shop", "postgresql://localhost/shop"])("%s is a server", (url) => {
    expect(parseStoreAddress(url)).toEqual({ kind: "postgres", url });
  });

  test.each(["mysql://u:p@localhost:3306/shop", "mariadb://localhost/shop"])(
    "%s is a server of MySQL or MariaDB",
    (url) => {
      expect(parseStoreAddress(url)).toEqual({ kind: "mysql", url });
    },
  );

  test.each([
    "mysql:shop",
    "mysql://[",
    "redis://localhost",
    "http://localhost",
    "",
    "sqlite:",
    ":memory:",
    "sqlite::memory:",
    "postgres://[",
    "postgres:shop",
  ])("%j is refused", (text) => {
    expect(() => parseStoreAddress(text)).toThrow(UsageError);
  });

  test("it is shown, and refused, without its password", () => {
    const url = "postgres://admin:secret@db.example:5432/shop?sslmode=require";
    expect(describeStore(parseStoreAddress(url))).toBe("postgres://db.example:5432/shop");
    expect(describeStore(parseStoreAddress("mariadb://admin:secret@db.example/shop"))).toBe(
      "mariadb://db.example/shop",
    );
    expect(() => parseStoreAddress("oracle://admin:secret@localhost/shop")).toThrow(/^((?!secret).)*$/);
  });
});
